//! Removals that a process has to defer because it does not get the shard's lock.
//!
//! Half of a fingerprint is noted in one of a few words, by one atomic step and without the lock. From then on no process
//! finds the record: a look without the lock skips what is noted, and the next holder of the lock removes it before
//! anything else. So a removal is final when its call returns, whatever happens to the process that asked for it.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::shm::region::digest::Fingerprint;
use crate::shm::region::layout::{MOST_REMOVALS, shard as place};
use crate::shm::shard::heap::Broken;
use crate::shm::shard::index::Index;
use crate::shm::shard::view::Shard;

#[derive(Clone, Copy)]
pub struct Deferred<'a>(pub Shard<'a>);

impl Deferred<'_> {
    fn at(&self, number: usize) -> usize {
        self.0.base + place::REMOVALS + 8 * number
    }

    /// Notes a removal, without the lock; false if there is no room for it.
    pub fn note(&self, wanted: Fingerprint) -> bool {
        let noted = wanted.first != 0
            && (0..MOST_REMOVALS).any(|number| {
                let word = self.0.memory.u64(self.at(number));
                match word.compare_exchange(0, wanted.first, Relaxed, Relaxed) {
                    Ok(_) => true,
                    Err(other) => other == wanted.first,
                }
            });
        if noted {
            // Release: publishes the note. The note comes first, so that one that is not counted, as its process was
            // killed in between, is carried out with the next one that is.
            let deferred = self.0.base + place::DEFERRED;
            self.0.memory.u32(deferred).fetch_add(1, Release);
        }
        noted
    }

    fn are_any(&self) -> bool {
        let count = |byte| self.0.memory.u32(self.0.base + byte).load(Acquire);
        // Acquire, and this one first: if all are carried out, the records are seen to be gone.
        count(place::CARRIED_OUT) != count(place::DEFERRED)
    }

    /// True if the record of this key is to be removed; asked without the lock.
    pub fn covers(&self, wanted: Fingerprint) -> bool {
        self.are_any()
            && (0..MOST_REMOVALS)
                .any(|number| self.0.memory.u64(self.at(number)).load(Relaxed) == wanted.first)
    }

    /// Carries out the removals that were noted; called under the lock.
    pub fn carry_out(&self) -> Result<(), Broken> {
        if !self.are_any() {
            return Ok(());
        }
        let counted = self
            .0
            .memory
            .u32(self.0.base + place::DEFERRED)
            .load(Acquire);
        for number in 0..MOST_REMOVALS {
            let word = self.0.memory.u64(self.at(number));
            let first = word.load(Relaxed);
            if first == 0 {
                continue;
            }
            if let Some(record) = Index(self.0).find_by_half(first)? {
                self.0.remove(&record)?;
            }
            // After the record: a process that is killed before leaves the note to the next.
            let _ = word.compare_exchange(first, 0, AcqRel, Relaxed);
        }
        // Notes that were made meanwhile are counted again. Release: the records are gone before.
        self.0
            .memory
            .u32(self.0.base + place::CARRIED_OUT)
            .store(counted, Release);
        Ok(())
    }
}
