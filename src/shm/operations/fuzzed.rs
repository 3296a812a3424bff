//! For fuzzers: a region that always has the same random numbers, and what a hostile process can do to it.

use core::sync::atomic::Ordering::Relaxed;

use crate::shm::operations::whole::Region;
use crate::shm::process::lock::Lock;
use crate::shm::region::header::initialise;
use crate::shm::region::layout::{
    Layout, PAGE, PARTITION_BYTES, PARTITIONS, header, shard as place,
};
use crate::shm::region::memory::{LOOKS, Memory};
use crate::sys::random::Random;

/// A part of a region, for changes that hit what matters.
#[derive(Clone, Copy)]
#[allow(missing_docs)] // the names of the files say what they are
pub enum Part {
    Header,
    KeyPage,
    Partitions,
    Shard,
    Queues,
    Buckets,
    Heap,
    Anywhere,
}

/// How many words this thread has looked at since it began.
pub fn looks() -> u64 {
    LOOKS.with(core::cell::Cell::get)
}

impl Region {
    /// A region of so many bytes whose random numbers follow from the seed.
    pub fn fuzzed(bytes: usize, seed: u64) -> Region {
        let layout = Layout::new(bytes).expect("a size of regions");
        let memory = Memory::anonymous(layout.size).expect("memory");
        assert!(initialise(&memory, &layout));
        let mut random = Random(seed | 1);
        for at in (header::DIGEST_KEYS..PAGE / 2).step_by(8) {
            if memory.u64(at).load(Relaxed) != 0 {
                memory.u64(at).store(random.below(u64::MAX), Relaxed);
            }
        }
        memory
            .u64(header::SALT)
            .store(random.below(u64::MAX), Relaxed);
        Region::of(memory, layout, None)
    }

    /// Changes the word that is `number` words into a part of the shard (or of the region), as another process may at any
    /// moment.
    pub fn scribble(
        &self,
        part: Part,
        shard: usize,
        number: usize,
        change: impl FnOnce(u64) -> u64,
    ) {
        let base = self.layout.shard(shard);
        let (from, to) = match part {
            Part::Header => (0, header::DIGEST_KEYS),
            Part::KeyPage => (PAGE, PARTITIONS),
            Part::Partitions => (
                PARTITIONS,
                PARTITIONS + self.layout.partitions * PARTITION_BYTES,
            ),
            Part::Shard => (base, base + place::QUEUES),
            Part::Queues => (base + place::QUEUES, base + self.layout.buckets),
            Part::Buckets => (base + self.layout.buckets, base + self.layout.heap),
            Part::Heap => (base + self.layout.heap, base + self.layout.heap + 8192),
            Part::Anywhere => (0, self.layout.size),
        };
        let at = from + 8 * number % (to - from) & !7;
        // A region whose salt has changed is another one, and nothing is done with it.
        if at != header::SALT {
            self.memory.scribble(at, change);
        }
    }

    /// Copies words from one place to another.
    pub fn carry(&self, from: usize, to: usize, words: usize) {
        let range = PARTITIONS..self.layout.size - 8 * words;
        let place = |at: usize| range.start + 8 * at % range.len() & !7;
        for number in 0..words {
            let word = self.memory.u64(place(from) + 8 * number).load(Relaxed);
            self.memory.scribble(place(to) + 8 * number, |_| word);
        }
    }

    /// Has the next holder of each lock repair what the lock protects.
    pub fn disturb(&self) {
        let locks = (0..self.layout.shards).map(|number| self.layout.shard(number) + place::LOCK);
        for at in locks.chain([header::PARTITIONS_LOCK, PAGE]) {
            Lock::at(&self.memory, at).disturb();
        }
        if let Some(held) = self.hold_partitions() {
            held.release();
        }
    }
}
