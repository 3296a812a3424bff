//! Removals of a shard that are put off, because its lock is not had.
//!
//! Half of a fingerprint is noted in one of few words, by one atomic step and without the lock. From then on nobody
//! finds the record: a look without the lock passes over what is noted, and whoever has the lock next removes it before
//! anything else. So a removal is final when its call returns, whatever becomes of the process that asked for it.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::shm::region::digest::Fingerprint;
use crate::shm::region::layout::{MOST_REMOVALS, shard as place};
use crate::shm::shard::heap::Broken;
use crate::shm::shard::index::Index;
use crate::shm::shard::view::Shard;

#[derive(Clone, Copy)]
pub struct Removals<'a>(pub Shard<'a>);

impl Removals<'_> {
    fn at(&self, number: usize) -> usize {
        self.0.base + place::REMOVALS + 8 * number
    }

    /// Notes a removal, without the lock; false if there is no room for it.
    pub fn put_off(&self, wanted: Fingerprint) -> bool {
        let noted = wanted.first != 0
            && (0..MOST_REMOVALS).any(|number| {
                let word = self.0.memory.u64(self.at(number));
                match word.compare_exchange(0, wanted.first, Relaxed, Relaxed) {
                    Ok(_) => true,
                    Err(other) => other == wanted.first,
                }
            });
        if noted {
            // Release: publishes the note. It is made first, so that one that is not counted, as its process was killed
            // in between, is met with the next one that is.
            let put_off = self.0.base + place::PUT_OFF;
            self.0.memory.u32(put_off).fetch_add(1, Release);
        }
        noted
    }

    fn are_any(&self) -> bool {
        let count = |byte| self.0.memory.u32(self.0.base + byte).load(Acquire);
        // Acquire, and this one first: if all are made up for, the records are seen to be gone.
        count(place::MADE_UP_FOR) != count(place::PUT_OFF)
    }

    /// Whether the record of this key is to be removed; for those who look without the lock.
    pub fn cover(&self, wanted: Fingerprint) -> bool {
        self.are_any()
            && (0..MOST_REMOVALS)
                .any(|number| self.0.memory.u64(self.at(number)).load(Relaxed) == wanted.first)
    }

    /// Makes up for what was put off; under the lock.
    pub fn make_up(&self) -> Result<(), Broken> {
        if !self.are_any() {
            return Ok(());
        }
        let counted = self
            .0
            .memory
            .u32(self.0.base + place::PUT_OFF)
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
            // After the record: whoever is killed before leaves the note to the next.
            let _ = word.compare_exchange(first, 0, AcqRel, Relaxed);
        }
        // What was noted meanwhile is counted again. Release: the records are gone before.
        self.0
            .memory
            .u32(self.0.base + place::MADE_UP_FOR)
            .store(counted, Release);
        Ok(())
    }
}
