//! What all files of a shard look through: its words, its heap, and the table of partitions.
//!
//! Heap, index and queues always agree; `remove`, `put` and `rebuild` are the only files that change more than one of
//! them. Where they do not agree, because a process was killed in the middle or because a stray write came in, the answer
//! is `Broken`, and the shard is rebuilt from the records that are whole.

use core::sync::atomic::Ordering::Relaxed;

use crate::shm::region::digest::Digests;
use crate::shm::region::layout::{Layout, shard as place};
use crate::shm::region::memory::Memory;
use crate::shm::region::partitions::Partitions;
use crate::shm::shard::heap::{Broken, Heap};
use crate::shm::shard::record::Record;
use crate::shm::stats::{Event, count};

#[derive(Clone, Copy)]
pub struct Shard<'a> {
    pub memory: &'a Memory,
    pub layout: &'a Layout,
    pub digests: &'a Digests,
    pub base: usize,
    pub heap: Heap<'a>,
}

impl<'a> Shard<'a> {
    pub fn new(
        memory: &'a Memory,
        layout: &'a Layout,
        digests: &'a Digests,
        base: usize,
    ) -> Shard<'a> {
        let heap = Heap {
            memory,
            base,
            granules: base + layout.heap,
            end: layout.end,
        };
        Shard {
            memory,
            layout,
            digests,
            base,
            heap,
        }
    }

    pub fn word(&self, byte: usize) -> u32 {
        self.memory.u32(self.base + byte).load(Relaxed)
    }

    pub fn set_word(&self, byte: usize, word: u32) {
        self.memory.u32(self.base + byte).store(word, Relaxed);
    }

    pub fn change(&self, byte: usize, by: i64) {
        self.set_word(byte, (i64::from(self.word(byte)) + by) as u32);
    }

    pub fn records(&self) -> u32 {
        // Never more than fit: walks are bounded by it.
        self.word(place::RECORDS).min(self.layout.end)
    }

    pub fn count(&self, event: Event) {
        count(self.memory, self.base, event);
    }

    pub fn record(&self, at: u32) -> Result<Record<'a>, Broken> {
        Record::at(self.heap, at)
    }

    pub fn partitions(&self) -> Partitions<'a> {
        Partitions {
            memory: self.memory,
            layout: self.layout,
        }
    }

    /// True if a record is of a generation that was flushed.
    pub fn is_flushed(&self, record: &Record<'_>) -> bool {
        record.generation_tag() != self.partitions().tag(record.entry())
    }
}
