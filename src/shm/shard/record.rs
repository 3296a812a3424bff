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
use crate::shm::region::memory::Shared;
use crate::shm::shard::heap::{Broken, Heap, Run, Tag};
use crate::sys::atomic::{AtomicU32, AtomicU64};

/// Bytes of a record before its body.
pub const HEADER: usize = size_of::<Header>();

/// The words of a record before its body.
#[repr(C)]
struct Header {
    /// The block's, of which the heap makes use.
    tag: AtomicU32,
    /// The next record of the same bucket.
    chain: AtomicU32,
    first: AtomicU64,
    second: AtomicU64,
    before: AtomicU32,
    after: AtomicU32,
    mark: AtomicU32,
    check: AtomicU32,
    state: AtomicU32,
    /// The lower part of the expiry.
    expiry: AtomicU32,
}

const _: () = assert!(HEADER == 48);

// SAFETY: atomics of integers, without padding between them.
unsafe impl Shared for Header {}

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
    header: &'a Header,
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
        let Some(header) = memory.view::<Header>(heap.byte(run.at, 0)) else {
            return; // not reached: the block is inside. It stays free.
        };
        header.first.store(self.fingerprint.first, Relaxed);
        header.second.store(self.fingerprint.second, Relaxed);
        header.mark.store(self.mark, Relaxed);
        header.check.store(check, Relaxed);
        let state = self.entry | self.tag << TAG_SHIFT | u32::from(upper as u8) << EXPIRY_SHIFT;
        header.state.store(state, Relaxed);
        header.expiry.store(lower, Relaxed);
        memory.write(heap.byte(run.at, HEADER), self.body);
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
        let header = heap.memory.view(heap.byte(at, 0)).ok_or(Broken)?;
        Ok(Record {
            heap,
            header,
            at,
            tag,
        })
    }

    pub fn len(&self) -> usize {
        self.tag.granules() as usize * 8 - self.tag.slack() as usize - HEADER
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            first: self.header.first.load(Relaxed),
            second: self.header.second.load(Relaxed),
        }
    }

    /// The next record of its bucket.
    pub fn chain(&self) -> u32 {
        self.header.chain.load(Relaxed)
    }

    pub fn set_chain(&self, at: u32) {
        self.header.chain.store(at, Relaxed);
    }

    /// The record before it in its queue.
    pub fn before(&self) -> u32 {
        self.header.before.load(Relaxed)
    }

    pub fn set_before(&self, at: u32) {
        self.header.before.store(at, Relaxed);
    }

    /// The record after it in its queue.
    pub fn after(&self) -> u32 {
        self.header.after.load(Relaxed)
    }

    pub fn set_after(&self, at: u32) {
        self.header.after.store(at, Relaxed);
    }

    fn state(&self) -> u32 {
        self.header.state.load(Relaxed)
    }

    fn set_state(&self, state: u32) {
        self.header.state.store(state, Relaxed);
    }

    pub fn mark(&self) -> u32 {
        self.header.mark.load(Relaxed)
    }

    pub fn entry(&self) -> u32 {
        self.state() & ((1 << ENTRY_BITS) - 1)
    }

    pub fn generation_tag(&self) -> u32 {
        self.state() >> TAG_SHIFT & ((1 << TAG_BITS) - 1)
    }

    /// The rank, as `eviction` packs it.
    pub fn rank(&self) -> u32 {
        self.state() >> ENTRY_BITS & ((1 << RANK_BITS) - 1)
    }

    pub fn used(&self) -> u8 {
        (self.state() >> USED_SHIFT) as u8
    }

    pub fn set_rank(&self, rank: u32) {
        let mask = ((1 << RANK_BITS) - 1) << ENTRY_BITS;
        self.set_state(self.state() & !mask | rank << ENTRY_BITS & mask);
    }

    pub fn set_used(&self, used: u8) {
        let mask = 0xff << USED_SHIFT;
        self.set_state(self.state() & !mask | u32::from(used) << USED_SHIFT);
    }

    pub fn expiry(&self) -> Expiry {
        Expiry::unpacked((
            (self.state() >> EXPIRY_SHIFT) as i8,
            self.header.expiry.load(Relaxed),
        ))
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
        (check == self.header.check.load(Relaxed)).then_some((mark, expiry))
    }

    /// True if the record is still here, for a look without the lock.
    pub fn is_still(&self, fingerprint: Fingerprint) -> bool {
        // Acquire: orders the loads of the record before the load of the tag. Pairs with the fence in `Heap::free`.
        fence(Acquire);
        let now = Tag(self.header.tag.load(Relaxed));
        now.is_live()
            && now.granules() == self.tag.granules()
            && now.slack() == self.tag.slack()
            && self.fingerprint() == fingerprint
    }

    /// Counts a use without the lock. The new word is derived from a single load, so a record that changed its queue
    /// meanwhile keeps its rank. If the record has left, and another one has the very same word at this place, that record
    /// is damaged: its checksum or an impossible tag shows it, and the shard is rebuilt.
    pub fn count_use(&self, used: u8, rank: impl FnOnce(u32) -> u32) {
        let state = self.state();
        let rank_mask = ((1 << RANK_BITS) - 1) << ENTRY_BITS;
        let rank = rank(state >> ENTRY_BITS & ((1 << RANK_BITS) - 1));
        let others = state & !(rank_mask | 0xff << USED_SHIFT);
        let wanted = others | rank << ENTRY_BITS & rank_mask | u32::from(used) << USED_SHIFT;
        if wanted != state {
            let _ = (self.header.state).compare_exchange(state, wanted, Relaxed, Relaxed);
        }
    }
}
