//! Looking a record of a partition up, and consuming it.

use crate::cache::{ClientHistory, Expiry, Key};
use crate::shm::operations::partition::Partition;
use crate::shm::region::digest::Fingerprint;
use crate::shm::shard::heap::Broken;
use crate::shm::shard::look::Look;
use crate::shm::shard::view::Shard;
use crate::shm::stats::Event;

/// Room for a record before its length is known: most sessions are shorter.
const USUAL_LENGTH: usize = 1024;
/// How often a record may turn out to be longer than there is room for.
const LENGTHS_MOST: u32 = 4;

/// What was said of a record when it was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The caller's digest of the session.
    pub mark: u32,
    /// The last second in which the record is good.
    pub expiry: Expiry,
}

impl Partition<'_> {
    /// Copies the record of this key into `record`, in place of what was there; counts as a use. An expired record is
    /// removed.
    pub fn get(&self, key: &Key, now: i64, record: &mut Vec<u8>) -> Option<Found> {
        record.clear();
        record.try_reserve(USUAL_LENGTH).ok()?;
        if let Some((mark, expiry)) =
            self.glimpse(key, now, |shard, wanted| shard.glimpse(wanted, now, record))
        {
            return Some(Found { mark, expiry });
        }
        self.copied(key, now, record, |shard, fingerprint, record| {
            shard.get(fingerprint, now, record)
        })
    }

    /// True if there is a good record of this key with this mark; counts as a use. `None` if that cannot be told now.
    pub fn holds(&self, key: &Key, mark: u32, now: i64) -> Option<bool> {
        let seen = self.glimpse(key, now, |shard, wanted| {
            shard.glimpse_mark(wanted, mark, now)
        });
        if seen.is_some() {
            return Some(true);
        }
        let Some(_) = self.entry_if_on() else {
            return self.region.is_on().then_some(false);
        };
        let look = self.look_once(key, now, |shard, fingerprint| {
            shard.holds(fingerprint, mark, now)
        });
        look.map(|look| matches!(look, Look::Good { .. }))
    }

    /// Removes the record of this key, if it has this mark, and copies it out. Of any number of processes that consume one
    /// record, exactly one gets it.
    pub fn consume(
        &self,
        key: &Key,
        mark: Option<u32>,
        now: i64,
        record: Option<&mut Vec<u8>>,
    ) -> Option<Found> {
        match record {
            None => self.look(key, now, |shard, fingerprint| {
                shard.consume(fingerprint, mark, now, None)
            }),
            Some(record) => self.copied(key, now, record, |shard, fingerprint, record| {
                shard.consume(fingerprint, mark, now, Some(record))
            }),
        }
    }

    /// True if there is a good record of this key; not a use. `None` if that cannot be told now.
    pub fn contains(&self, key: &Key, now: i64) -> Option<bool> {
        self.with_record(key, |shard, fingerprint| {
            shard.with_record(fingerprint, |record| Ok(!record.expiry().has_passed(now)))
        })
    }

    /// The history of a client that offered the session of this key, which was not found: for the session that the client
    /// is given instead.
    pub fn history_of(&self, key: &Key) -> ClientHistory {
        let history = self.at_home(key, |entry, shard, fingerprint| {
            shard.history_of(entry, fingerprint)
        });
        history.unwrap_or(ClientHistory::Returning)
    }

    /// Looks without the lock.
    fn glimpse<R>(
        &self,
        key: &Key,
        now: i64,
        look: impl FnOnce(&Shard<'_>, Fingerprint) -> Option<R>,
    ) -> Option<R> {
        let entry = self.entry_if_on()?;
        let fingerprint = self.fingerprint(entry, key);
        let number = self.home_of(entry, fingerprint);
        let seen = look(&self.region.shard(number), fingerprint)?;
        self.region.partitions().note_use(entry, now);
        Some(seen)
    }

    fn look(
        &self,
        key: &Key,
        now: i64,
        act: impl FnOnce(&Shard<'_>, Fingerprint) -> Result<Look, Broken>,
    ) -> Option<Found> {
        match self.look_once(key, now, act)? {
            Look::Good { mark, expiry } => Some(Found { mark, expiry }),
            _ => None,
        }
    }

    fn look_once(
        &self,
        key: &Key,
        now: i64,
        act: impl FnOnce(&Shard<'_>, Fingerprint) -> Result<Look, Broken>,
    ) -> Option<Look> {
        let looked = self.at_home(key, |entry, shard, fingerprint| {
            self.region.partitions().note_use(entry, now);
            act(shard, fingerprint)
        });
        if looked.is_none() && self.region.is_on() {
            self.region.count(0, Event::GetInVain);
        }
        looked
    }

    /// A look that copies. Memory for the copy is allocated before the lock is taken.
    fn copied(
        &self,
        key: &Key,
        now: i64,
        record: &mut Vec<u8>,
        act: impl Fn(&Shard<'_>, Fingerprint, &mut Vec<u8>) -> Result<Look, Broken>,
    ) -> Option<Found> {
        let mut wanted = USUAL_LENGTH;
        for _ in 0..LENGTHS_MOST {
            // A look that failed may have copied a part.
            wipe(record);
            record.try_reserve(wanted).ok()?;
            match self.look_once(key, now, |shard, fingerprint| {
                act(shard, fingerprint, record)
            }) {
                Some(Look::Good { mark, expiry }) => return Some(Found { mark, expiry }),
                Some(Look::Longer(len)) => wanted = len,
                _ => break,
            }
        }
        wipe(record);
        None
    }
}

/// Overwrites the part of a session that a failed copy has left.
fn wipe(record: &mut Vec<u8>) {
    for byte in record.iter_mut() {
        // SAFETY: `byte` is a live, writable byte of the vector. Volatile, so that the compiler keeps a store whose result
        // is not read.
        unsafe { core::ptr::write_volatile(byte, 0) };
    }
    record.clear();
}
