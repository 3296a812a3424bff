//! Removing records of a partition.

use crate::cache::Key;
use crate::shm::operations::partition::Partition;
use crate::shm::shard::deferred::Deferred;

impl Partition<'_> {
    /// Removes the record of this key; true if there was one. `None` if the lock is not had: no look-up finds the record
    /// from now on, but another process may be consuming it at this moment.
    pub fn remove(&self, key: &Key) -> Option<bool> {
        let removed = self.with_record(key, |shard, fingerprint| {
            shard.with_record(fingerprint, |record| shard.remove(record).map(|_| true))
        });
        if removed.is_none() {
            self.defer_removal(key);
        }
        removed
    }

    fn defer_removal(&self, key: &Key) {
        let Some(entry) = self.entry_if_on() else {
            return;
        };
        let fingerprint = self.fingerprint(entry, key);
        let number = self.home_of(entry, fingerprint);
        if !Deferred(self.region.shard(number)).note(fingerprint) {
            // All of the partition's records are removed rather than one too few.
            self.region.partitions().begin_generation(entry);
        }
    }

    /// Removes every record that is there when it begins, or each one with `before > expiry`; returns how many. No process
    /// finds one of them afterwards, whatever locks are held meanwhile. No lock is held for longer than a few records take.
    pub fn flush(&self, expired_before: Option<i64>) -> usize {
        let Some(entry) = self.entry_if_on() else {
            return 0;
        };
        match expired_before {
            None => self.region.flush_entry(entry),
            Some(before) => {
                let (removed, complete) = self.clear(entry, before);
                // All of the partition's records are removed rather than some too few.
                removed
                    + match complete {
                        true => 0,
                        false => self.region.flush_entry(entry),
                    }
            }
        }
    }

    /// Removes records that have expired at `now`, which no look-up would find, as far as the locks are had; returns how
    /// many.
    pub fn clear_expired(&self, now: i64) -> usize {
        self.entry_if_on()
            .map_or(0, |entry| self.clear(entry, now).0)
    }

    fn clear(&self, entry: u32, before: i64) -> (usize, bool) {
        self.shards(entry)
            .map(|number| self.region.scan(entry, number, before))
            .fold((0, true), |(sum, all), (removed, complete)| {
                (sum + removed, all && complete)
            })
    }
}
