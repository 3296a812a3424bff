//! The ticket keys in the key page, which all processes map.
//!
//! The page is not trusted: it may be half written, from another time, or hostile. A page that contradicts itself counts
//! as one without keys, which costs returning clients a full handshake. A process that changes the page holds its lock.

use zeroize::Zeroize;

use crate::shm::keys::schedule::{
    FreshKey, MOST_KEYS, NAME_BYTES, SECRET_BYTES, TicketKey, TicketKeys,
};
use crate::sys::checksum::sum_of;

// The page: what it is, how many keys, the keys, a sum over all of that.
const MAGIC: [u8; 8] = *b"tickets2";
pub(super) const NUMBER_AT: usize = MAGIC.len();
pub(super) const KEYS_AT: usize = NUMBER_AT + 8;
const KEY_BYTES: usize = NAME_BYTES + SECRET_BYTES + 8 + 8;
pub(super) const SUM_AT: usize = KEYS_AT + MOST_KEYS * KEY_BYTES;

/// How many bytes of the key page the ticket keys take.
pub const KEY_PAGE_BYTES: usize = SUM_AT + 8;

impl TicketKeys {
    /// Takes over the keys of the page, without those whose tickets have all expired. If `fresh` is given, it begins its
    /// turn unless another key has one for tickets of this `lifetime`, in seconds; the key that has the turn is kept for
    /// as long as these tickets need it. Writes the page if that changed the keys.
    pub fn follow(&mut self, page: &mut [u8], now: i64, lifetime: u32, fresh: Option<&FreshKey>) {
        let Some((page, _)) = page.split_first_chunk_mut::<KEY_PAGE_BYTES>() else {
            return self.clear();
        };
        self.read(page, now);
        if self.go_on(now, lifetime, fresh) {
            self.write(page);
        }
    }

    /// Lets a fresh key begin its turn for each kind of key that makes tickets, whichever has the turn, and writes the page.
    /// The earlier ones still open tickets, as many of them as there is room for.
    pub fn turn(&mut self, page: &mut [u8], now: i64, fresh: &[FreshKey; 2]) {
        if let Some((page, _)) = page.split_first_chunk_mut::<KEY_PAGE_BYTES>() {
            self.read(page, now);
            let lifetimes: Vec<_> = self.lifetimes().collect();
            for (lifetime, fresh) in lifetimes.into_iter().zip(fresh) {
                self.begin(fresh, now, lifetime);
            }
            self.write(page);
        }
    }

    /// Takes over the keys of the page; none if the page contradicts itself.
    fn read(&mut self, page: &[u8; KEY_PAGE_BYTES], now: i64) {
        self.clear();
        if self.read_keys(page).is_none() || !self.is_plausible(now) {
            self.clear();
        }
    }

    fn read_keys(&mut self, page: &[u8; KEY_PAGE_BYTES]) -> Option<()> {
        let (page, sum) = page.split_last_chunk()?;
        if !page.starts_with(&MAGIC) || u64::from_ne_bytes(*sum) != sum_of(page) {
            return None;
        }
        let number = u64::from_ne_bytes(*page[NUMBER_AT..].first_chunk()?);
        let number = usize::try_from(number)
            .ok()
            .filter(|number| *number <= MOST_KEYS)?;
        let keys = page[KEYS_AT..].chunks_exact(KEY_BYTES).take(number);
        for (key, bytes) in self.keys.iter_mut().zip(keys) {
            read_key(key, bytes)?;
            self.number += 1;
        }
        Some(())
    }

    pub(super) fn write(&self, page: &mut [u8; KEY_PAGE_BYTES]) {
        page.zeroize();
        page[..NUMBER_AT].copy_from_slice(&MAGIC);
        page[NUMBER_AT..KEYS_AT].copy_from_slice(&(self.number as u64).to_ne_bytes());
        for (key, bytes) in self
            .used()
            .iter()
            .zip(page[KEYS_AT..].chunks_exact_mut(KEY_BYTES))
        {
            write_key(key, bytes);
        }
        let sum = sum_of(&page[..SUM_AT]);
        page[SUM_AT..].copy_from_slice(&sum.to_ne_bytes());
    }
}

fn read_key(key: &mut TicketKey, bytes: &[u8]) -> Option<()> {
    let (name, rest) = bytes.split_first_chunk()?;
    let (secret, rest) = rest.split_first_chunk()?;
    let (made, rest) = rest.split_first_chunk()?;
    key.name = *name;
    key.secret = *secret;
    key.made = i64::from_ne_bytes(*made);
    key.lifetime = u32::try_from(u64::from_ne_bytes(*rest.first_chunk()?)).ok()?;
    Some(())
}

fn write_key(key: &TicketKey, bytes: &mut [u8]) {
    let (name, rest) = bytes.split_at_mut(NAME_BYTES);
    let (secret, rest) = rest.split_at_mut(SECRET_BYTES);
    let (made, lifetime) = rest.split_at_mut(8);
    name.copy_from_slice(&key.name);
    secret.copy_from_slice(&key.secret);
    made.copy_from_slice(&key.made.to_ne_bytes());
    lifetime.copy_from_slice(&u64::from(key.lifetime).to_ne_bytes());
}
