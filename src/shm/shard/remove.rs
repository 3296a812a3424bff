//! How a record leaves a shard.

use crate::shm::region::layout::shard as place;
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::heap::{Broken, Run};
use crate::shm::shard::index::Index;
use crate::shm::shard::record::Record;
use crate::shm::shard::view::Shard;
use crate::shm::stats::Event;

impl Shard<'_> {
    /// Removes a record and releases its slot.
    pub fn remove(&self, record: &Record<'_>) -> Result<Run, Broken> {
        let entry = record.entry();
        let run = self.remove_from_slot(record)?;
        // Last: a process that is killed before leaves a slot too many taken, never one too few.
        self.partitions().slots(entry).release();
        Ok(run)
    }

    /// Removes a record whose slot the caller goes on to use.
    pub fn remove_from_slot(&self, record: &Record<'_>) -> Result<Run, Broken> {
        Index(*self).unlink(record)?;
        Queues::of(*self, record.entry()).withdraw(record)?;
        let run = self.heap.free(record.at, record.tag)?;
        self.change(place::RECORDS, -1);
        self.change(place::GRANULES, -i64::from(record.tag.granules()));
        Ok(run)
    }

    pub fn evict(&self, record: &Record<'_>) -> Result<Run, Broken> {
        self.count(Event::Evicted);
        self.remove(record)
    }

    /// Evicts one of the partition's records here; false if there is none.
    pub fn evict_one(&self, entry: u32, now: i64) -> Result<bool, Broken> {
        match Queues::of(*self, entry).victim(now)? {
            Some(victim) => self.evict(&victim).map(|_| true),
            None => Ok(false),
        }
    }
}
