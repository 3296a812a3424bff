//! Room in bytes for a new record: which records leave where the heap has no block that is long enough.

use crate::shm::region::layout::{FIRST_GRANULE, shard as place};
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::heap::{Broken, NIL, Run};
use crate::shm::shard::index::Index;
use crate::shm::shard::record::{Contents, Record};
use crate::shm::shard::view::Shard;

/// Records that the policy evicts before the records in the way of a long one have to leave.
const LEAVE_BY_POLICY: u32 = 8;
/// Records that may be in the way: a put that would have to evict more of them is refused.
const IN_THE_WAY_MOST: u32 = 24;
/// Blocks among which such a place is looked for.
const BLOCKS_ASKED: u32 = 128;
/// Buckets in which a partition that gives up room is looked for.
const BUCKETS_ASKED: u32 = 32;

impl<'a> Shard<'a> {
    /// Allocates a block for the record. Makes room by evicting the records whose turn it is and the few that are in the
    /// way; evicts none where that would not be enough.
    pub fn make_room(&self, contents: &Contents<'_>, now: i64) -> Result<Option<Run>, Broken> {
        let wanted = contents.granules();
        let mut freed = None;
        for _ in 0..LEAVE_BY_POLICY {
            if let Some(run) = self.heap.allocate(wanted)? {
                return Ok(Some(run));
            }
            let Some(victim) = self.victim_for_room(contents.entry, wanted, now)? else {
                break;
            };
            if freed.is_none() && self.run_to_clear(victim.at, wanted)?.is_none() {
                return Ok(None);
            }
            freed = Some(self.evict(&victim)?.at);
        }
        if let Some(run) = self.heap.allocate(wanted)? {
            return Ok(Some(run));
        }
        // Where records have many lengths, it may take many departures by policy until two neighbours have left.
        match self.run_to_clear(freed.unwrap_or(FIRST_GRANULE), wanted)? {
            Some(first) => self.clear_run(first, wanted)?,
            None => return Ok(None),
        }
        self.heap.allocate(wanted)
    }

    /// The record that leaves where there is no room in bytes: one of the partition that wants the room, if with the new
    /// record it has more than its share; else one of a partition that has more than its share. Such a partition is found
    /// by chance, through one of its records.
    fn victim_for_room(
        &self,
        entry: u32,
        wanted: u32,
        now: i64,
    ) -> Result<Option<Record<'a>>, Broken> {
        let own = Queues::of(*self, entry);
        let partitions = self
            .word(place::PARTITIONS)
            .saturating_add(u32::from(own.len() == 0));
        let share = u64::from(self.word(place::GRANULES)) / u64::from(partitions.max(1));
        if own.len() > 0 && own.granules().saturating_add(wanted.into()) > share {
            return own.victim(now);
        }
        let buckets = Index(*self).buckets();
        let mut met = (own.len() > 0).then_some(own);
        for _ in 0..BUCKETS_ASKED.min(buckets) {
            let bucket = self.word(place::HAND) % buckets;
            self.set_word(place::HAND, bucket + 1);
            let head = Index(*self).head(bucket);
            if head == NIL {
                continue;
            }
            let other = Queues::of(*self, self.record(head)?.entry());
            if other.granules() > share {
                return other.victim(now);
            }
            met.get_or_insert(other);
        }
        met.map_or(Ok(None), |met| met.victim(now))
    }

    /// The first block, from `at` on, of a run that is long enough for a record and has few records in it.
    fn run_to_clear(&self, at: u32, wanted: u32) -> Result<Option<u32>, Broken> {
        let top = self.heap.top()?;
        let (mut first, mut next, mut records) = (at, at, 0);
        for _ in 0..BLOCKS_ASKED {
            if next >= top {
                // Above the top all is free.
                if wanted <= self.heap.end - first.min(top) {
                    return Ok(Some(first));
                }
                (first, next, records) = (FIRST_GRANULE, FIRST_GRANULE, 0);
            }
            let tag = self.heap.tag(next)?;
            records += u32::from(tag.is_live());
            next += tag.granules();
            while records > IN_THE_WAY_MOST {
                let tag = self.heap.tag(first)?;
                records -= u32::from(tag.is_live());
                first += tag.granules();
            }
            if next - first >= wanted {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    /// Evicts every record of such a run.
    fn clear_run(&self, first: u32, wanted: u32) -> Result<(), Broken> {
        let mut at = first;
        // Each step but the first and the last evicts one.
        for _ in 0..IN_THE_WAY_MOST + 2 {
            if wanted <= self.heap.end - self.heap.top()? {
                return Ok(());
            }
            let tag = self.heap.tag(at)?;
            let next = match tag.is_live() {
                true => at,
                false if tag.granules() >= wanted => return Ok(()),
                false => at + tag.granules(),
            };
            at = self.evict(&self.record(next)?)?.at;
        }
        Ok(())
    }
}
