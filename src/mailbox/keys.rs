//! The ticket keys of the fleet: one for each epoch, the same on all hosts.
//!
//! An epoch is an hour. The agents publish the keys of the next epochs before these begin, so hosts whose clocks differ by
//! up to an hour open each other's tickets.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::fence;

use zeroize::Zeroize;

use super::layout::{COPIES, COPY_BYTES, header};
use super::memory::Mailbox;
use crate::sys::checksum::sum_of;

/// How long a key makes tickets, in seconds.
pub const EPOCH_SECONDS: i64 = 3600;

/// For so many epochs after the present one the agent publishes keys.
pub const EPOCHS_AHEAD: u64 = 2;

/// The most keys in a mailbox: of 24 hours of tickets' lifetime, an hour of skew, the present epoch and two to come, twice,
/// because an outage of the store may leave two keys for an epoch.
pub const MOST_FLEET_KEYS: usize = 64;

/// The epoch of a second since 1970.
pub fn epoch_of(second: i64) -> u64 {
    second.max(0) as u64 / EPOCH_SECONDS as u64
}

/// A key of one epoch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FleetKey {
    /// The epoch in which it makes tickets, if it `makes` any.
    pub epoch: u64,
    /// The last second in which it opens them.
    pub until: i64,
    /// The first bytes of its tickets.
    pub name: [u8; 16],
    /// The secret that the keys of tickets are derived from.
    pub secret: [u8; 32],
    /// True if it makes tickets; otherwise another key of the epoch does, and this one only opens them.
    pub makes: bool,
}

impl FleetKey {
    const NONE: Self = Self {
        epoch: 0,
        until: 0,
        name: [0; 16],
        secret: [0; 32],
        makes: false,
    };
}

const KEY_BYTES: usize = 8 + 8 + 16 + 32 + 8;
const SUM_AT: usize = COPY_BYTES - 8;
const _: () = assert!(8 + MOST_FLEET_KEYS * KEY_BYTES <= SUM_AT);

/// The keys of a mailbox. Wiped on drop; they should not be moved, as moving leaves a copy behind.
pub struct FleetKeys {
    keys: [FleetKey; MOST_FLEET_KEYS],
    number: usize,
}

impl Default for FleetKeys {
    /// No key.
    fn default() -> Self {
        Self {
            keys: [FleetKey::NONE; MOST_FLEET_KEYS],
            number: 0,
        }
    }
}

impl Drop for FleetKeys {
    fn drop(&mut self) {
        self.clear();
    }
}

impl FleetKeys {
    /// Adds a key; false if there is no room for it.
    pub fn push(&mut self, key: &FleetKey) -> bool {
        let free = self.keys.get_mut(self.number);
        free.map(|free| {
            *free = *key;
            self.number += 1;
        })
        .is_some()
    }

    /// The keys, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &FleetKey> {
        self.keys[..self.number].iter()
    }

    /// True if there is no key.
    pub fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        for key in &mut self.keys[..self.number] {
            key.secret.zeroize();
            *key = FleetKey::NONE;
        }
        self.number = 0;
    }

    /// Drops the keys for which `ended` says so.
    pub fn drop_where(&mut self, ended: impl Fn(&FleetKey) -> bool) {
        let mut kept = 0;
        for at in 0..self.number {
            if !ended(&self.keys[at]) {
                self.keys.swap(kept, at);
                kept += 1;
            }
        }
        for key in &mut self.keys[kept..self.number] {
            key.secret.zeroize();
            *key = FleetKey::NONE;
        }
        self.number = kept;
    }

    /// The key that makes tickets in the epoch of the second `now`.
    pub fn making(&self, now: i64) -> Option<&FleetKey> {
        let epoch = epoch_of(now);
        let mut keys = self.iter();
        keys.find(|key| key.makes && key.epoch == epoch && now <= key.until)
    }

    /// The key that a ticket was made with, if it still opens tickets.
    pub fn opening(&self, name: &[u8; 16], now: i64) -> Option<&FleetKey> {
        self.iter()
            .find(|key| key.name == *name && now <= key.until)
    }

    fn write(&self, place: &mut [u8; COPY_BYTES]) {
        place[..8].copy_from_slice(&(self.number as u64).to_ne_bytes());
        for (key, bytes) in self.iter().zip(place[8..].chunks_exact_mut(KEY_BYTES)) {
            bytes[..8].copy_from_slice(&key.epoch.to_ne_bytes());
            bytes[8..16].copy_from_slice(&key.until.to_ne_bytes());
            bytes[16..32].copy_from_slice(&key.name);
            bytes[32..64].copy_from_slice(&key.secret);
            bytes[64..72].copy_from_slice(&u64::from(key.makes).to_ne_bytes());
        }
        let sum = sum_of(&place[..SUM_AT]);
        place[SUM_AT..].copy_from_slice(&sum.to_ne_bytes());
    }

    /// Takes over the keys of a copy; `None`, and no keys, if it contradicts itself.
    fn read(&mut self, copy: &[u8; COPY_BYTES]) -> Option<()> {
        self.clear();
        let taken = self.read_keys(copy);
        if taken.is_none() {
            self.clear();
        }
        taken
    }

    fn read_keys(&mut self, copy: &[u8; COPY_BYTES]) -> Option<()> {
        let (keys, sum) = copy.split_last_chunk()?;
        if u64::from_ne_bytes(*sum) != sum_of(keys) {
            return None;
        }
        let (number, keys) = keys.split_first_chunk()?;
        let number = usize::try_from(u64::from_ne_bytes(*number)).ok()?;
        if number > MOST_FLEET_KEYS {
            return None;
        }
        for bytes in keys.chunks_exact(KEY_BYTES).take(number) {
            let (epoch, rest) = bytes.split_first_chunk()?;
            let (until, rest) = rest.split_first_chunk()?;
            let (name, rest) = rest.split_first_chunk()?;
            let (secret, makes) = rest.split_first_chunk()?;
            let at = self.number;
            self.keys[at] = FleetKey {
                epoch: u64::from_ne_bytes(*epoch),
                until: i64::from_ne_bytes(*until),
                name: *name,
                secret: *secret,
                makes: u64::from_ne_bytes(*makes.first_chunk()?) != 0,
            };
            self.number += 1;
            if self.keys[at].secret == [0; 32] {
                return None;
            }
        }
        Some(())
    }
}

/// The bytes of a copy in this process, wiped on drop.
struct Copy([u8; COPY_BYTES]);

impl Drop for Copy {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// How often a reader begins again because the agent has published meanwhile. It does so once an hour.
const TRIES: usize = 4;

impl Mailbox {
    /// How often keys were published: a number that tells whether they have to be read again.
    pub fn published(&self) -> u64 {
        // Acquire: pairs with the Release in `publish`.
        self.memory.u64(header::PUBLISHED).load(Acquire)
    }

    /// Takes over the keys that the agent has published last, and returns the [number](Self::published) of that; `None`, and
    /// no keys, if there are none or if they contradict themselves.
    pub fn read_keys(&self, keys: &mut FleetKeys) -> Option<u64> {
        keys.clear();
        let mut copy = Copy([0; COPY_BYTES]);
        for _ in 0..TRIES {
            let published = self.published();
            if published == 0 {
                return None;
            }
            let at = copy_at(published);
            for (number, bytes) in copy.0.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                *bytes = self.memory.u64(at + 8 * number).load(Relaxed).to_ne_bytes();
            }
            // Acquire: a word that was read above from a later publication makes that publication's number seen here.
            fence(Acquire);
            if self.memory.u64(header::PUBLISHED).load(Relaxed) == published {
                keys.read(&copy.0)?;
                return Some(published);
            }
        }
        None
    }

    /// Publishes keys in place of the earlier ones, which are wiped. Only the agent calls this, one call at a time.
    pub fn publish(&self, keys: &FleetKeys) {
        let mut copy = Copy([0; COPY_BYTES]);
        keys.write(&mut copy.0);
        let word = self.memory.u64(header::PUBLISHED);
        let before = word.load(Relaxed);
        // 0 says that nothing was published.
        let published = match before.wrapping_add(1) {
            0 => 2,
            next => next,
        };
        self.memory.write(copy_at(published), &copy.0);
        // Release: publishes the copy.
        word.store(published, Release);
        // Release: a reader that sees the wiping sees the number above, too.
        fence(Release);
        let old = copy_at(published.wrapping_add(1));
        self.memory.wipe(old, old + COPY_BYTES);
    }

    /// The second in which the agent was last at work; 0 if it has not been yet.
    pub fn last_beat(&self) -> i64 {
        i64::try_from(self.memory.u64(header::BEAT).load(Relaxed)).unwrap_or(0)
    }
}

fn copy_at(published: u64) -> usize {
    COPIES + (published & 1) as usize * COPY_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key(epoch: u64, number: u8) -> FleetKey {
        FleetKey {
            epoch,
            until: NOW + 7200,
            name: [number; 16],
            secret: [!number; 32],
            makes: true,
        }
    }

    #[test]
    fn keys_make_tickets_in_their_epoch_and_open_them_until_their_end() {
        let epoch = epoch_of(NOW);
        let mut keys = FleetKeys::default();
        let late = FleetKey {
            makes: false,
            ..key(epoch, 3)
        };
        assert!(keys.push(&late));
        assert!(keys.push(&key(epoch, 1)) && keys.push(&key(epoch + 1, 2)));
        assert_eq!(keys.making(NOW).map(|key| key.name[0]), Some(1));
        let next = NOW + EPOCH_SECONDS;
        assert_eq!(keys.making(next).map(|key| key.name[0]), Some(2));
        assert!(keys.making(next + EPOCH_SECONDS).is_none());
        assert!(keys.opening(&[3; 16], NOW + 7200).is_some());
        assert!(keys.opening(&[3; 16], NOW + 7201).is_none());
        assert!(keys.opening(&[4; 16], NOW).is_none());
        keys.drop_where(|key| key.epoch == epoch);
        assert_eq!(keys.iter().map(|key| key.name[0]).collect::<Vec<_>>(), [2]);
        assert!(keys.keys[1..].iter().all(|key| key.secret == [0; 32]));
    }

    #[test]
    fn published_keys_are_read_and_the_earlier_ones_are_wiped() {
        let (mailbox, _file) = Mailbox::make().unwrap();
        let mut read = FleetKeys::default();
        assert_eq!(mailbox.read_keys(&mut read), None);
        for number in 1..=3 {
            let mut keys = FleetKeys::default();
            keys.push(&key(9, number));
            mailbox.publish(&keys);
            assert_eq!(mailbox.read_keys(&mut read), Some(u64::from(number)));
            assert!(read.iter().eq([&key(9, number)]));
            let words = (COPIES..COPIES + 2 * COPY_BYTES).step_by(8);
            let secret = u64::from_ne_bytes([!number; 8]);
            let other = u64::from_ne_bytes([!(number - 1); 8]);
            let seen = |value| {
                let mut words = words.clone();
                words.any(|at| mailbox.memory.u64(at).load(Relaxed) == value)
            };
            assert!(seen(secret) && !seen(other), "{number}");
        }
    }

    #[test]
    fn every_damaged_byte_leaves_no_key() {
        let (mailbox, _file) = Mailbox::make().unwrap();
        let mut keys = FleetKeys::default();
        (1..=4).for_each(|number| assert!(keys.push(&key(9, number))));
        mailbox.publish(&keys);
        let at = copy_at(1);
        for word in (at..at + COPY_BYTES).step_by(8) {
            let before = mailbox.memory.u64(word).load(Relaxed);
            for bit in [0, 13, 63] {
                mailbox.memory.u64(word).store(before ^ 1 << bit, Relaxed);
                assert_eq!(mailbox.read_keys(&mut keys), None, "{word}");
                assert!(keys.is_empty());
            }
            mailbox.memory.u64(word).store(before, Relaxed);
        }
        assert!(mailbox.read_keys(&mut keys).is_some());
    }

    #[test]
    fn a_secret_of_zeros_is_no_key() {
        let (mailbox, _file) = Mailbox::make().unwrap();
        let mut keys = FleetKeys::default();
        keys.push(&FleetKey {
            secret: [0; 32],
            ..key(9, 1)
        });
        mailbox.publish(&keys);
        assert_eq!(mailbox.read_keys(&mut keys), None);
    }

    #[test]
    fn a_reader_beside_the_agent_sees_whole_keys() {
        let (mailbox, _file) = Mailbox::make().unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in (1..=250).cycle().take(5000) {
                    let mut keys = FleetKeys::default();
                    (0..3).for_each(|_| assert!(keys.push(&key(9, number))));
                    mailbox.publish(&keys);
                }
                stop.store(true, Relaxed);
            });
            let mut keys = FleetKeys::default();
            let mut whole = 0;
            while !stop.load(Relaxed) || whole == 0 {
                if mailbox.read_keys(&mut keys).is_some() {
                    let first = *keys.iter().next().unwrap();
                    assert_eq!(keys.iter().filter(|key| **key == first).count(), 3);
                    whole += 1;
                }
            }
        });
    }
}
