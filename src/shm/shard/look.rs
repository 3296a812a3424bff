//! Looking a record up, and consuming it.

use crate::cache::{ClientHistory, Expiry};
use crate::shm::region::digest::Fingerprint;
use crate::shm::shard::deferred::Deferred;
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::heap::Broken;
use crate::shm::shard::index::Index;
use crate::shm::shard::record::Record;
use crate::shm::shard::view::Shard;
use crate::shm::stats::Event;

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    Good {
        mark: u32,
        expiry: Expiry,
    },
    /// The copy would not fit; it takes so many bytes.
    Longer(usize),
    Absent,
    Expired,
    Undecodable,
}

impl<'a> Shard<'a> {
    /// Finds a record and lets `act` look at it. A record that has expired or is not whole is removed.
    fn look(
        &self,
        wanted: Fingerprint,
        now: i64,
        act: impl FnOnce(&Record<'a>) -> Result<Look, Broken>,
    ) -> Result<Look, Broken> {
        let Some(record) = Index(*self).find(wanted)? else {
            self.count(Event::Absent);
            return Ok(Look::Absent);
        };
        let look = match record.expiry().has_passed(now) {
            true => Look::Expired,
            false => act(&record)?,
        };
        match look {
            Look::Good { .. } => self.count(Event::Hit),
            Look::Longer(_) => {}
            Look::Absent => self.count(Event::Absent),
            Look::Expired => {
                self.count(Event::Expired);
                self.remove(&record)?;
            }
            Look::Undecodable => {
                self.count(Event::Undecodable);
                self.remove(&record)?;
            }
        }
        Ok(look)
    }

    /// Copies a record into the spare capacity of `copy`.
    pub fn get(&self, wanted: Fingerprint, now: i64, copy: &mut Vec<u8>) -> Result<Look, Broken> {
        self.look(wanted, now, |record| {
            let look = self.read(record, Some(copy));
            if matches!(look, Look::Good { .. }) {
                Queues::of(*self, record.entry()).count_use(record);
            }
            Ok(look)
        })
    }

    fn read(&self, record: &Record<'_>, copy: Option<&mut Vec<u8>>) -> Look {
        if let Some(copy) = &copy
            && copy.capacity() - copy.len() < record.len_of_copy()
        {
            return Look::Longer(record.len_of_copy());
        }
        match record.read(record.fingerprint(), self.digests, copy) {
            Some((mark, expiry)) => Look::Good { mark, expiry },
            None => Look::Undecodable,
        }
    }

    /// Copies a record without the lock. The copy is whole by its checksum, and the record was still there afterwards.
    /// `None` if only a look under the lock can tell.
    ///
    /// Most look-ups find a record, and a process that is suspended during a look without the lock delays no other.
    pub fn glimpse(
        &self,
        wanted: Fingerprint,
        now: i64,
        copy: &mut Vec<u8>,
    ) -> Option<(u32, Expiry)> {
        let record = self.find_unlocked(wanted)?;
        if copy.capacity() - copy.len() < record.len_of_copy() {
            return None;
        }
        let (mark, expiry) = record.read(wanted, self.digests, Some(copy))?;
        if expiry.has_passed(now) || !record.is_still(wanted) {
            return None;
        }
        self.count_glimpse(&record);
        Some((mark, expiry))
    }

    /// As `holds`, without the lock; `None` if only a look under the lock can tell.
    pub fn glimpse_mark(&self, wanted: Fingerprint, mark: u32, now: i64) -> Option<()> {
        let record = self.find_unlocked(wanted)?;
        let (found, expiry) = (record.mark(), record.expiry());
        if found != mark || expiry.has_passed(now) || !record.is_still(wanted) {
            return None;
        }
        self.count_glimpse(&record);
        Some(())
    }

    fn find_unlocked(&self, wanted: Fingerprint) -> Option<Record<'a>> {
        // First: a removal that was deferred before this look is seen here, or was carried out before.
        if Deferred(*self).covers(wanted) {
            return None;
        }
        Index(*self).find(wanted).ok()?
    }

    fn count_glimpse(&self, record: &Record<'_>) {
        Queues::of(*self, record.entry()).count_use(record);
        self.count(Event::Glimpse);
    }

    /// Looks for a record of this key with this mark.
    pub fn holds(&self, wanted: Fingerprint, mark: u32, now: i64) -> Result<Look, Broken> {
        self.look(wanted, now, |record| {
            if record.mark() != mark {
                return Ok(Look::Absent);
            }
            Queues::of(*self, record.entry()).count_use(record);
            Ok(Look::Good {
                mark,
                expiry: record.expiry(),
            })
        })
    }

    pub fn consume(
        &self,
        wanted: Fingerprint,
        mark: Option<u32>,
        now: i64,
        copy: Option<&mut Vec<u8>>,
    ) -> Result<Look, Broken> {
        self.look(wanted, now, |record| {
            if mark.is_some_and(|mark| mark != record.mark()) {
                return Ok(Look::Absent);
            }
            let look = self.read(record, copy);
            if matches!(look, Look::Good { .. }) {
                self.remove(record)?;
                self.count(Event::Consumed);
            }
            Ok(look)
        })
    }

    /// Runs `act` on the record of this key, if there is one; counts no event.
    pub fn with_record<R>(
        &self,
        wanted: Fingerprint,
        act: impl FnOnce(&Record<'a>) -> Result<R, Broken>,
    ) -> Result<Option<R>, Broken> {
        Index(*self)
            .find(wanted)?
            .map(|record| act(&record))
            .transpose()
    }

    /// The history of a client that offered a session which is not found.
    pub fn history_of(&self, entry: u32, wanted: Fingerprint) -> Result<ClientHistory, Broken> {
        match Index(*self).recall(wanted.hash()) {
            Some(used) if Queues::of(*self, entry).outranks_oldest(used)? => {
                Ok(ClientHistory::Proven)
            }
            _ => Ok(ClientHistory::Returning),
        }
    }
}
