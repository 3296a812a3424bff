//! Removing many records of a partition, or of all.

use crate::shm::operations::whole::Region;
use crate::shm::shard::eviction::Queues;

impl Region {
    /// Removes all records that all partitions have when it begins, and returns how many.
    pub fn flush(&self) -> usize {
        if !self.is_on() {
            return 0;
        }
        let entries = self.partitions().entries();
        entries.map(|entry| self.flush_entry(entry)).sum()
    }

    /// Removes the records that an entry has when it begins, and returns how many. None of them is found from here on,
    /// even where a lock is not had: such a record leaves when a later scan or eviction meets it.
    pub(super) fn flush_entry(&self, entry: u32) -> usize {
        // Also where there is no record: a process may be about to put one that it had before.
        self.partitions().begin_generation(entry);
        let mut removed = 0;
        for number in 0..self.layout.shards {
            if Queues::of(self.shard(number), entry).len() == 0 {
                continue;
            }
            // The oldest records come first, and newer ones behind them; where a use has changed that, the scan goes
            // through all.
            while let Some((gone, more)) = self.in_shard(number, |shard| {
                shard.remove_first(entry, |record| shard.is_flushed(record))
            }) {
                removed += gone;
                if !more {
                    break;
                }
            }
            removed += self.scan(entry, number, i64::MIN).0;
        }
        removed
    }

    /// Removes an entry's flushed and expired records from one shard. Returns how many, and whether the whole shard was
    /// scanned.
    pub(super) fn scan(&self, entry: u32, number: usize, before: i64) -> (usize, bool) {
        let mut scan = match self.in_shard(number, |shard| Ok(shard.begin_scan(entry, before))) {
            Some(Some(scan)) => scan,
            nothing => return (0, nothing.is_some()),
        };
        let mut removed = 0;
        loop {
            match self.in_shard(number, |shard| shard.scan_step(entry, before, &mut scan)) {
                Some((gone, more)) => {
                    removed += gone;
                    if !more {
                        return (removed, true);
                    }
                }
                None => return (removed, false),
            }
        }
    }
}
