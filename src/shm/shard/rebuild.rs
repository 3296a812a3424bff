//! Rebuilding a shard from the records that are whole.

use crate::shm::region::layout::{FIRST_GRANULE, shard as place};
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::heap::{Broken, Run};
use crate::shm::shard::index::Index;
use crate::shm::shard::view::Shard;

impl Shard<'_> {
    /// Rebuilds everything from the records that are whole. What lies behind an impossible tag is lost.
    pub fn rebuild(&self) {
        for entry in self.partitions().entries() {
            Queues::of(*self, entry).forget();
        }
        for byte in [
            place::RECORDS,
            place::GRANULES,
            place::PARTITIONS,
            place::HAND,
        ] {
            self.set_word(byte, 0);
        }
        self.heap.forget_lists();
        Index(*self).forget();
        if self.heap.top().is_err() {
            self.heap.set_top(self.heap.end);
        }
        if self.rebuild_heap().is_err() {
            // Only a process that writes here at the same time can cause this.
            self.forget_everything();
        }
    }

    fn rebuild_heap(&self) -> Result<(), Broken> {
        let mut free: Option<Run> = None;
        let mut at = FIRST_GRANULE;
        while at < self.heap.top()? {
            let Ok(tag) = self.heap.tag(at) else {
                self.cut(at)?;
                break;
            };
            if self.is_whole(at) {
                if let Some(run) = free.take() {
                    self.heap.list(run)?;
                } else {
                    self.heap.mark_after_free(at, false)?;
                }
                self.readmit(at)?;
            } else {
                self.heap.wipe(at, tag.granules());
                let run = free.get_or_insert(Run { at, granules: 0 });
                run.granules += tag.granules();
                self.heap.set_free(*run);
            }
            at += tag.granules();
        }
        if let Some(run) = free {
            self.heap.set_top(run.at);
        }
        Ok(())
    }

    /// True if the block holds a whole record of a key that has no other record.
    fn is_whole(&self, at: u32) -> bool {
        let Ok(record) = self.record(at) else {
            return false;
        };
        (record.entry() as usize) < self.layout.partitions
            && !self.is_flushed(&record)
            && record
                .read(record.fingerprint(), self.digests, None)
                .is_some()
            && matches!(Index(*self).find(record.fingerprint()), Ok(None))
    }

    fn readmit(&self, at: u32) -> Result<(), Broken> {
        let record = self.record(at)?;
        self.change(place::RECORDS, 1);
        self.change(place::GRANULES, i64::from(record.tag.granules()));
        Queues::of(*self, record.entry()).readmit(&record)?;
        Index(*self).link(&record)
    }

    /// Overwrites everything from `at` on, and ends the heap there.
    fn cut(&self, at: u32) -> Result<(), Broken> {
        let top = self.heap.top()?;
        self.heap.set_top(at.max(FIRST_GRANULE));
        self.memory
            .wipe(self.heap.byte(at, 0), self.heap.byte(top, 0));
        Ok(())
    }

    fn forget_everything(&self) {
        for entry in self.partitions().entries() {
            Queues::of(*self, entry).forget();
        }
        for byte in [place::RECORDS, place::GRANULES, place::PARTITIONS] {
            self.set_word(byte, 0);
        }
        self.heap.forget_lists();
        Index(*self).forget();
        self.heap.set_top(FIRST_GRANULE);
        self.memory.wipe(
            self.heap.byte(FIRST_GRANULE, 0),
            self.heap.byte(self.heap.end, 0),
        );
    }
}
