//! Removing many records, in steps that each hold the lock for a short time.

use crate::shm::shard::eviction::Queues;
use crate::shm::shard::heap::{Broken, NIL};
use crate::shm::shard::index::Index;
use crate::shm::shard::record::Record;
use crate::shm::shard::view::Shard;
use crate::shm::stats::{Event, counted};

/// Records that one step removes, or buckets that it looks at, before it releases the lock.
pub const SLICE: u32 = 32;

/// A scan for flushed and expired records, between its steps.
pub struct Scan {
    number: u32,
    bucket: u32,
    earliest: i64,
    /// Of the generation that stays.
    tag: u32,
    /// How often the shard had been rebuilt when the scan began.
    rebuilt: u64,
}

impl<'a> Shard<'a> {
    /// Removes a slice of an entry's records from the front of its queues while they are `unwanted`. Returns how many were
    /// removed, and whether there may be more.
    pub fn remove_first(
        &self,
        entry: u32,
        unwanted: impl Fn(&Record<'a>) -> bool,
    ) -> Result<(usize, bool), Broken> {
        for removed in 0..SLICE as usize {
            match Queues::of(*self, entry).first()? {
                Some(record) if unwanted(&record) => drop(self.remove(&record)?),
                _ => return Ok((removed, false)),
            }
        }
        Ok((SLICE as usize, true))
    }

    /// Begins a scan for an entry's flushed or expired records; `None` if there can be none.
    pub fn begin_scan(&self, entry: u32, before: i64) -> Option<Scan> {
        let queues = Queues::of(*self, entry);
        let is_due = queues.len() > 0 && (before > queues.earliest() || !queues.is_swept());
        is_due.then(|| Scan {
            number: queues.begin_scan(),
            bucket: 0,
            earliest: i64::MAX,
            tag: self.partitions().tag(entry),
            rebuilt: self.times_rebuilt(),
        })
    }

    fn times_rebuilt(&self) -> u64 {
        [Event::Recovered, Event::Rebuilt]
            .map(|event| counted(self.memory, self.base, event))
            .into_iter()
            .fold(0, u64::wrapping_add)
    }

    /// One step of a scan. Returns how many records were removed, and whether the scan goes on. Buckets that are split
    /// between steps move records only to later buckets, so the scan misses none. A scan of a shard that was rebuilt
    /// begins again.
    pub fn scan_step(
        &self,
        entry: u32,
        before: i64,
        scan: &mut Scan,
    ) -> Result<(usize, bool), Broken> {
        let mut removed = 0;
        let rebuilt = self.times_rebuilt();
        if scan.rebuilt != rebuilt {
            (scan.rebuilt, scan.bucket) = (rebuilt, 0);
        }
        for _ in 0..SLICE {
            if scan.bucket >= Index(*self).buckets() {
                let queues = Queues::of(*self, entry);
                queues.end_scan(scan.number, scan.earliest);
                queues.set_swept(scan.tag);
                return Ok((removed, false));
            }
            let mut at = Index(*self).head(scan.bucket);
            for _ in 0..=self.records() {
                if at == NIL {
                    break;
                }
                let record = self.record(at)?;
                at = record.chain();
                if record.entry() != entry {
                    continue;
                }
                if record.expiry().has_passed(before) || self.is_flushed(&record) {
                    self.remove(&record)?;
                    removed += 1;
                } else {
                    scan.earliest = scan.earliest.min(record.expiry().secs());
                }
            }
            scan.bucket += 1;
        }
        Ok((removed, true))
    }
}
