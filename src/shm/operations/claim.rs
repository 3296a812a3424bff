//! How a partition gets its entry in the table.

use core::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use crate::shm::operations::locks::tenth;
use crate::shm::operations::whole::Region;
use crate::shm::region::id::PartitionId;
use crate::shm::region::partitions::Claimed;
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::record::Record;

/// The answer to a claim of an entry.
pub enum Claim {
    Had(u32),
    /// All entries are in use.
    Full,
    /// The lock was not had in time, or the entry could not be emptied in one call.
    InVain,
}

/// Records that one call removes at most to empty an entry: it takes less than a millisecond.
const DRAINED_AT_ONCE: usize = 1024;
/// How often one call claims an entry that other processes may claim as well.
const CLAIMS_MOST: u32 = 4;

impl Region {
    pub(super) fn claim(&self, id: PartitionId, capacity: usize) -> Claim {
        let tenth = tenth();
        if self.full_at.load(Relaxed) == tenth {
            return Claim::Full; // the search takes some time, and a lock
        }
        let mut left = DRAINED_AT_ONCE;
        for _ in 0..CLAIMS_MOST {
            let Some(held) = self.hold_partitions() else {
                return Claim::InVain;
            };
            let claimed = self.partitions().claim(id, capacity, clock());
            if !held.release() {
                return Claim::InVain;
            }
            match claimed {
                Claimed::Had(entry) => return Claim::Had(entry),
                // When it is empty, another process may claim it first.
                Claimed::Retired(entry) => left = left.saturating_sub(self.drain(entry, left)),
                // All entries have records of contexts that are in use: this one keeps its sessions in its process.
                Claimed::Full => {
                    self.full_at.store(tenth, Relaxed);
                    self.was_full.store(true, Relaxed);
                    return Claim::Full;
                }
            }
            if left == 0 {
                break;
            }
        }
        Claim::InVain
    }

    /// Removes records of a retired entry, `most` or a few more, and returns how many. Records in a shard whose lock is not
    /// had stay.
    fn drain(&self, entry: u32, most: usize) -> usize {
        let is_retired = |_: &Record<'_>| self.partitions().is_retired(entry);
        let mut drained = 0;
        for number in 0..self.layout.shards {
            if Queues::of(self.shard(number), entry).len() == 0 {
                continue; // a look without the lock often makes taking it unnecessary
            }
            while drained < most
                && let Some((removed, more)) =
                    self.in_shard(number, |shard| shard.remove_first(entry, is_retired))
            {
                drained += removed;
                if !more {
                    break;
                }
            }
        }
        drained
    }

    /// Spreads a partition without records over as many shards as its capacity wants.
    pub(super) fn spread_anew(&self, entry: u32) {
        if let Some(held) = self.hold_partitions() {
            self.partitions().spread_anew(entry);
            held.release();
        }
    }
}

/// The system's clock, in seconds.
fn clock() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}
