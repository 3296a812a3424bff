//! A record: 48 bytes of header, then the body.
//!
//! The checksum covers the expiry and everything that does not change while the record lives: fingerprint, mark, entry,
//! length and body. It does not cover the links, each of which is checked against its neighbour when it is followed, nor
//! the uses.

use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::sync::atomic::fence;

use crate::cache::Expiry;
use crate::shm::region::digest::{Covered, Digests, Fingerprint};
use crate::shm::region::id::TAG_BITS;
use crate::shm::shard::heap::{Broken, Heap, Run, Tag};

/// Bytes of a record before its body.
pub const HEADER: usize = 48;

// Places in a block; the tag is at 0.
pub const CHAIN: usize = 4;
const FIRST: usize = 8;
const SECOND: usize = 16;
pub const BEFORE: usize = 24;
pub const AFTER: usize = 28;
const MARK: usize = 32;
const CHECK: usize = 36;
const STATE: usize = 40;
const EXPIRY: usize = 44;

// The bits of the state: entry of the partition, rank, generation, last use, and the upper bits of the expiry.
const ENTRY_BITS: u32 = 10;
const RANK_BITS: u32 = 3;
const TAG_SHIFT: u32 = ENTRY_BITS + RANK_BITS;
const USED_SHIFT: u32 = 16;
const EXPIRY_SHIFT: u32 = 24;

/// A record in its block.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    heap: Heap<'a>,
    pub at: u32,
    pub tag: Tag,
}

/// The parts of a new record.
pub struct Contents<'a> {
    pub fingerprint: Fingerprint,
    pub mark: u32,
    /// The number of its partition in the table.
    pub entry: u32,
    /// Of its generation (`Term::tag`); not covered by the checksum.
    pub tag: u32,
    pub expiry: Expiry,
    pub body: &'a [u8],
}

impl Contents<'_> {
    pub fn granules(&self) -> u32 {
        (HEADER + self.body.len()).div_ceil(8) as u32
    }

    /// Writes the record into a block and publishes it; its links are not set yet.
    pub fn write(&self, heap: Heap<'_>, run: Run, digests: &Digests) {
        let memory = heap.memory;
        let covered = Covered {
            fingerprint: self.fingerprint,
            mark: self.mark,
            entry: self.entry,
            len: self.body.len(),
        };
        let mut sum = digests.sum();
        sum.add_bytes(self.body);
        let check = sum.finish(&covered) ^ digests.expiry(self.expiry);
        let (upper, lower) = self.expiry.packed();
        let byte = |byte| heap.byte(run.at, byte);
        memory
            .u64(byte(FIRST))
            .store(self.fingerprint.first, Relaxed);
        memory
            .u64(byte(SECOND))
            .store(self.fingerprint.second, Relaxed);
        memory.u32(byte(MARK)).store(self.mark, Relaxed);
        memory.u32(byte(CHECK)).store(check, Relaxed);
        let state = self.entry | self.tag << TAG_SHIFT | u32::from(upper as u8) << EXPIRY_SHIFT;
        memory.u32(byte(STATE)).store(state, Relaxed);
        memory.u32(byte(EXPIRY)).store(lower, Relaxed);
        memory.write(byte(HEADER), self.body);
        heap.publish(run, run.granules * 8 - (HEADER + self.body.len()) as u32);
    }
}

impl<'a> Record<'a> {
    /// The record at `at`, if a record can be there.
    pub fn at(heap: Heap<'a>, at: u32) -> Result<Record<'a>, Broken> {
        let tag = heap.tag(at)?;
        let used = tag.granules() as usize * 8 - tag.slack() as usize;
        if !tag.is_live() || used < HEADER {
            return Err(Broken);
        }
        Ok(Record { heap, at, tag })
    }

    pub fn len(&self) -> usize {
        self.tag.granules() as usize * 8 - self.tag.slack() as usize - HEADER
    }

    pub fn word(&self, byte: usize) -> u32 {
        self.heap
            .memory
            .u32(self.heap.byte(self.at, byte))
            .load(Relaxed)
    }

    pub fn set_word(&self, byte: usize, word: u32) {
        self.heap
            .memory
            .u32(self.heap.byte(self.at, byte))
            .store(word, Relaxed);
    }

    pub fn fingerprint(&self) -> Fingerprint {
        let word = |byte| {
            self.heap
                .memory
                .u64(self.heap.byte(self.at, byte))
                .load(Relaxed)
        };
        Fingerprint {
            first: word(FIRST),
            second: word(SECOND),
        }
    }

    pub fn mark(&self) -> u32 {
        self.word(MARK)
    }

    pub fn entry(&self) -> u32 {
        self.word(STATE) & ((1 << ENTRY_BITS) - 1)
    }

    pub fn generation_tag(&self) -> u32 {
        self.word(STATE) >> TAG_SHIFT & ((1 << TAG_BITS) - 1)
    }

    /// The rank, as `eviction` packs it.
    pub fn rank(&self) -> u32 {
        self.word(STATE) >> ENTRY_BITS & ((1 << RANK_BITS) - 1)
    }

    pub fn used(&self) -> u8 {
        (self.word(STATE) >> USED_SHIFT) as u8
    }

    pub fn set_rank(&self, rank: u32) {
        let mask = ((1 << RANK_BITS) - 1) << ENTRY_BITS;
        self.set_word(STATE, self.word(STATE) & !mask | rank << ENTRY_BITS & mask);
    }

    pub fn set_used(&self, used: u8) {
        let mask = 0xff << USED_SHIFT;
        self.set_word(
            STATE,
            self.word(STATE) & !mask | u32::from(used) << USED_SHIFT,
        );
    }

    pub fn expiry(&self) -> Expiry {
        Expiry::unpacked(((self.word(STATE) >> EXPIRY_SHIFT) as i8, self.word(EXPIRY)))
    }

    /// The bytes that a copy takes while it is made: whole words.
    pub fn len_of_copy(&self) -> usize {
        self.len().next_multiple_of(8)
    }

    /// Reads the body once, and appends it to `copy` if one is wanted, which must have room for it (`len_of_copy`): to let it grow
    /// here could end the process for want of memory. Returns mark and expiry if the checksum agrees with all of it as a record of
    /// this key.
    pub fn read(
        &self,
        fingerprint: Fingerprint,
        digests: &Digests,
        copy: Option<&mut Vec<u8>>,
    ) -> Option<(u32, Expiry)> {
        let len = self.len();
        let body = (self.heap.memory).words(self.heap.byte(self.at, HEADER), len.div_ceil(8));
        let words = body.iter().map(|word| word.load(Relaxed));
        let mut sum = digests.sum();
        match copy {
            None => words.for_each(|word| sum.add(word)),
            Some(copy) => {
                let start = copy.len();
                copy.resize(start + 8 * body.len(), 0);
                for (word, bytes) in words.zip(copy[start..].as_chunks_mut::<8>().0) {
                    sum.add(word);
                    *bytes = word.to_ne_bytes();
                }
                copy.truncate(start + len);
            }
        }
        // Each is loaded once, so that the checksum was computed over the values that are returned.
        let (mark, entry, expiry) = (self.mark(), self.entry(), self.expiry());
        let covered = Covered {
            fingerprint,
            mark,
            entry,
            len,
        };
        let check = sum.finish(&covered) ^ digests.expiry(expiry);
        (check == self.word(CHECK)).then_some((mark, expiry))
    }

    /// True if the record is still here, for a look without the lock.
    pub fn is_still(&self, fingerprint: Fingerprint) -> bool {
        // Acquire: orders the loads of the record before the load of the tag. Pairs with the fence in `Heap::free`.
        fence(Acquire);
        let now = self.heap.tag(self.at);
        now.is_ok_and(|now| {
            now.is_live()
                && now.granules() == self.tag.granules()
                && now.slack() == self.tag.slack()
        }) && self.fingerprint() == fingerprint
    }

    /// Counts a use without the lock. The new word is derived from a single load, so a record that changed its queue
    /// meanwhile keeps its rank. If the record has left, and another one has the very same word at this place, that record
    /// is damaged: its checksum or an impossible tag shows it, and the shard is rebuilt.
    pub fn count_use(&self, used: u8, rank: impl FnOnce(u32) -> u32) {
        let state = self.word(STATE);
        let rank_mask = ((1 << RANK_BITS) - 1) << ENTRY_BITS;
        let rank = rank(state >> ENTRY_BITS & ((1 << RANK_BITS) - 1));
        let others = state & !(rank_mask | 0xff << USED_SHIFT);
        let wanted = others | rank << ENTRY_BITS & rank_mask | u32::from(used) << USED_SHIFT;
        if wanted != state {
            let word = self.heap.memory.u32(self.heap.byte(self.at, STATE));
            let _ = word.compare_exchange(state, wanted, Relaxed, Relaxed);
        }
    }
}
