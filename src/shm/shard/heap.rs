//! Blocks of a shard's memory: allocation by size.
//!
//! A block is a number of granules of 8 bytes. Its first four bytes are its tag: its length, whether a record lives in
//! it, and whether the block before it is free. From the heap's beginning to its top blocks follow each other without a
//! gap; above it nothing was ever stored, or it has been wiped. Free blocks hang on lists by their length, each of its own
//! up to 128 granules and by eighths of a power of two above; neighbours that are free are one block. A free block ends
//! with its length, by which its successor finds its beginning.
//!
//! A process that dies in here leaves a heap that can be walked from tag to tag: each split and each union is one store to
//! one tag, made when the tags behind it are already there. Lists, lengths at ends and marks of free neighbours may then
//! be wrong; a rebuild derives them from the tags.
//!
//! A log, with records moved from its head to its tail, would be simpler to walk. But it needs a part of the memory free to
//! be cheap: with 85 % used, each put moves six times its own bytes, and a session costs 40 bytes more.

use core::sync::atomic::Ordering::{Relaxed, Release};
use core::sync::atomic::fence;

use crate::shm::region::layout::{FIRST_GRANULE, shard as place};
use crate::shm::region::memory::Memory;

/// The contents of the memory contradict themselves.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

/// No block: the heap begins above it.
pub const NIL: u32 = 0;
/// The shortest block: tag, two links, length.
pub const SHORTEST: u32 = 2;

const LEN_MASK: u32 = (1 << 24) - 1;
const SLACK_SHIFT: u32 = 24;
const LIVE: u32 = 1 << 28;
const AFTER_FREE: u32 = 1 << 29;

/// Up to here a list for each length.
const EXACT: u32 = 128;
const EXACT_LOG2: u32 = 7;
pub const CLASSES: u32 = EXACT + (24 - EXACT_LOG2) * 8;

/// The list for blocks of this length.
fn class(granules: u32) -> u32 {
    if granules < EXACT {
        return granules;
    }
    let log2 = granules.ilog2();
    let eighth = granules >> (log2 - 3) & 7;
    (EXACT + (log2 - EXACT_LOG2) * 8 + eighth).min(CLASSES - 1)
}

/// A block's tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(pub u32);

impl Tag {
    fn free(granules: u32) -> Tag {
        Tag(granules & LEN_MASK)
    }

    /// The tag of a record that leaves `slack` bytes of its block unused.
    fn live(granules: u32, slack: u32) -> Tag {
        Tag(granules & LEN_MASK | (slack & 15) << SLACK_SHIFT | LIVE)
    }

    pub fn granules(self) -> u32 {
        self.0 & LEN_MASK
    }

    pub fn slack(self) -> u32 {
        self.0 >> SLACK_SHIFT & 15
    }

    pub fn is_live(self) -> bool {
        self.0 & LIVE != 0
    }

    pub fn is_after_free(self) -> bool {
        self.0 & AFTER_FREE != 0
    }
}

/// A run of granules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub at: u32,
    pub granules: u32,
}

/// The heap of the shard at `base`.
#[derive(Clone, Copy)]
pub struct Heap<'a> {
    pub memory: &'a Memory,
    pub base: usize,
    /// Where granule 0 is.
    pub granules: usize,
    /// The granule behind the last.
    pub end: u32,
}

impl Heap<'_> {
    /// The place of a byte of the block at `at`.
    pub fn byte(&self, at: u32, byte: usize) -> usize {
        self.granules + at as usize * 8 + byte
    }

    fn word(&self, at: u32, byte: usize) -> u32 {
        self.memory.u32(self.byte(at, byte)).load(Relaxed)
    }

    fn set_word(&self, at: u32, byte: usize, word: u32) {
        self.memory.u32(self.byte(at, byte)).store(word, Relaxed);
    }

    /// The granule above the last block.
    pub fn top(&self) -> Result<u32, Broken> {
        let top = self.memory.u32(self.base + place::TOP).load(Relaxed);
        (FIRST_GRANULE..=self.end)
            .contains(&top)
            .then_some(top)
            .ok_or(Broken)
    }

    pub fn set_top(&self, top: u32) {
        // Release: what is below it is there before. A process that is killed has made its stores in their order, so
        // this is for the compiler.
        self.memory.u32(self.base + place::TOP).store(top, Release);
    }

    /// The tag at `at`, if a block can be there: one that lies within the heap with its whole length.
    pub fn tag(&self, at: u32) -> Result<Tag, Broken> {
        let top = self.top()?;
        if at < FIRST_GRANULE || at >= top {
            return Err(Broken);
        }
        let tag = Tag(self.word(at, 0));
        if tag.granules() < SHORTEST || tag.granules() > top - at {
            return Err(Broken);
        }
        Ok(tag)
    }

    pub fn set_tag(&self, at: u32, tag: Tag) {
        // Release: see `set_top`.
        self.memory.u32(self.byte(at, 0)).store(tag.0, Release);
    }

    /// Allocates a block of so many granules, or of one more. The block is on no list, and its tag says free until
    /// `publish`. `None` if no block is so long.
    pub fn allocate(&self, granules: u32) -> Result<Option<Run>, Broken> {
        if let Some(at) = self.find_free(granules)? {
            let tag = self.tag(at)?;
            if tag.is_live() || tag.granules() < granules {
                return Err(Broken);
            }
            self.unlist(at, tag)?;
            return self.split(at, tag, granules).map(Some);
        }
        let top = self.top()?;
        if granules > self.end - top {
            return Ok(None);
        }
        // The block below the top is a record: a free one would have been united with what is above.
        self.set_tag(top, Tag::free(granules));
        self.set_top(top + granules);
        Ok(Some(Run { at: top, granules }))
    }

    /// Gives back to the lists what a block has beyond `granules`.
    fn split(&self, at: u32, tag: Tag, granules: u32) -> Result<Run, Broken> {
        let rest = tag.granules() - granules;
        if rest < SHORTEST {
            self.mark_after_free(at + tag.granules(), false)?;
            return Ok(Run {
                at,
                granules: tag.granules(),
            });
        }
        self.set_tag(at + granules, Tag::free(rest));
        self.set_tag(at, Tag::free(granules));
        self.list(Run {
            at: at + granules,
            granules: rest,
        })?;
        Ok(Run { at, granules })
    }

    /// Makes a block that was allocated and written a record.
    pub fn publish(&self, run: Run, slack: u32) {
        self.set_tag(run.at, Tag::live(run.granules, slack));
    }

    /// Frees a record, which stops being one with the first store, and overwrites its contents. Returns the free run that
    /// it became part of.
    pub fn free(&self, at: u32, tag: Tag) -> Result<Run, Broken> {
        self.set_tag(at, Tag(tag.0 & (LEN_MASK | AFTER_FREE)));
        // Release: a reader without the lock that sees a wiped byte also sees this tag.
        fence(Release);
        self.wipe(at, tag.granules());
        self.unite(at, tag)
    }

    /// Overwrites all of a block but its tag.
    pub fn wipe(&self, at: u32, granules: u32) {
        self.set_word(at, 4, 0);
        self.memory
            .wipe(self.byte(at, 8), self.byte(at + granules, 0));
    }

    /// Makes a free run one block, on no list.
    pub fn set_free(&self, run: Run) {
        self.set_tag(run.at, Tag::free(run.granules));
    }

    /// Unites a free block with its free neighbours and lists the result.
    pub fn unite(&self, at: u32, tag: Tag) -> Result<Run, Broken> {
        let mut run = Run {
            at,
            granules: tag.granules(),
        };
        if tag.is_after_free() {
            let before = self.word(at - 1, 4);
            let first = at.checked_sub(before).ok_or(Broken)?;
            let tag = self.tag(first)?;
            if tag.is_live() || tag.granules() != before {
                return Err(Broken);
            }
            self.unlist(first, tag)?;
            run = Run {
                at: first,
                granules: run.granules + before,
            };
        }
        let next = run.at + run.granules;
        if next == self.top()? {
            self.set_top(run.at);
            return Ok(run);
        }
        let tag = self.tag(next)?;
        if !tag.is_live() {
            self.unlist(next, tag)?;
            run.granules += tag.granules();
        }
        self.set_tag(run.at, Tag::free(run.granules));
        self.list(run)?;
        Ok(run)
    }

    /// Puts a free block on its list and marks the block behind it.
    pub fn list(&self, run: Run) -> Result<(), Broken> {
        let class = class(run.granules);
        let head = self.list_head(class);
        let after = self.memory.u32(head).load(Relaxed);
        self.set_word(run.at, 4, after);
        self.set_word(run.at, 8, NIL);
        self.set_word(run.at + run.granules - 1, 4, run.granules);
        if after != NIL {
            self.tag(after)?;
            self.set_word(after, 8, run.at);
        }
        self.memory.u32(head).store(run.at, Relaxed);
        self.note_list(class, true);
        self.mark_after_free(run.at + run.granules, true)
    }

    fn unlist(&self, at: u32, tag: Tag) -> Result<(), Broken> {
        let class = class(tag.granules());
        let (after, before) = (self.word(at, 4), self.word(at, 8));
        if after != NIL {
            self.tag(after)?;
            if self.word(after, 8) != at {
                return Err(Broken);
            }
            self.set_word(after, 8, before);
        }
        if before != NIL {
            self.tag(before)?;
            if self.word(before, 4) != at {
                return Err(Broken);
            }
            self.set_word(before, 4, after);
        } else {
            let head = self.memory.u32(self.list_head(class));
            if head.load(Relaxed) != at {
                return Err(Broken);
            }
            head.store(after, Relaxed);
            self.note_list(class, after != NIL);
        }
        Ok(())
    }

    /// A free block that is long enough: of the wanted class, or else of the shortest class above it.
    fn find_free(&self, granules: u32) -> Result<Option<u32>, Broken> {
        let first = class(granules);
        let head = self.memory.u32(self.list_head(first)).load(Relaxed);
        // In a class of several lengths the first one may be too short.
        if head != NIL && self.tag(head)?.granules() >= granules {
            return Ok(Some(head));
        }
        let first = first + 1;
        for number in first / 64..CLASSES.div_ceil(64) {
            let mut bits = self.memory.u64(self.bits(number)).load(Relaxed);
            if number == first / 64 {
                bits &= u64::MAX << (first % 64);
            }
            if bits != 0 {
                let class = (number * 64 + bits.trailing_zeros()).min(CLASSES - 1);
                let head = self.memory.u32(self.list_head(class)).load(Relaxed);
                return Ok(Some(head)); // `tag` refuses a number that is no block
            }
        }
        Ok(None)
    }

    fn bits(&self, number: u32) -> usize {
        self.base + place::FREE_BITS + 8 * number as usize
    }

    fn list_head(&self, class: u32) -> usize {
        self.base + place::FREE + 4 * class as usize
    }

    fn note_list(&self, class: u32, filled: bool) {
        let bits = self.memory.u64(self.bits(class / 64));
        let bit = 1 << (class % 64);
        let others = bits.load(Relaxed) & !bit;
        bits.store(if filled { others | bit } else { others }, Relaxed);
    }

    /// Marks a block, if there is one at `at`, by whether the block before it is free.
    pub fn mark_after_free(&self, at: u32, free: bool) -> Result<(), Broken> {
        if at == self.top()? {
            return Ok(());
        }
        let tag = self.tag(at)?;
        let others = tag.0 & !AFTER_FREE;
        self.set_tag(at, Tag(if free { others | AFTER_FREE } else { others }));
        Ok(())
    }

    /// Empties all lists.
    pub fn forget_lists(&self) {
        for number in 0..CLASSES.div_ceil(64) {
            self.memory.u64(self.bits(number)).store(0, Relaxed);
        }
        for class in 0..CLASSES {
            self.memory.u32(self.list_head(class)).store(NIL, Relaxed);
        }
    }

    /// Walks from tag to tag and along the lists; hands each record to `visit`.
    #[cfg(any(test, fuzzing))]
    pub fn validate(
        &self,
        mut visit: impl FnMut(u32, Tag) -> Result<(), String>,
    ) -> Result<(), String> {
        let broken = |what: &str, at: u32| format!("{what} at granule {at}");
        let top = self.top().map_err(|_| "top".to_owned())?;
        let (mut at, mut after_free, mut free) = (FIRST_GRANULE, false, 0_u32);
        while at < top {
            let tag = self.tag(at).map_err(|_| broken("a tag", at))?;
            if tag.is_after_free() != after_free {
                return Err(broken("the mark of a free neighbour", at));
            }
            if tag.is_live() {
                visit(at, tag)?;
            } else {
                if after_free {
                    return Err(broken("two free blocks in a row", at));
                }
                if self.word(at + tag.granules() - 1, 4) != tag.granules() {
                    return Err(broken("the length at a free block's end", at));
                }
                free += 1;
            }
            after_free = !tag.is_live();
            at += tag.granules();
        }
        if at != top || after_free {
            return Err(broken("the last block", at));
        }
        let mut listed = 0;
        for number in 0..CLASSES {
            let mut at = self.memory.u32(self.list_head(number)).load(Relaxed);
            let bit = self.memory.u64(self.bits(number / 64)).load(Relaxed) >> (number % 64) & 1;
            if (bit == 1) != (at != NIL) {
                return Err(format!("the bit of list {number}"));
            }
            let mut before = NIL;
            while at != NIL {
                let tag = self.tag(at).map_err(|_| broken("a listed block", at))?;
                if tag.is_live() || class(tag.granules()) != number || self.word(at, 8) != before {
                    return Err(broken("a block on a wrong list", at));
                }
                listed += 1;
                if listed > free {
                    return Err("more blocks are listed than are free".to_owned());
                }
                (before, at) = (at, self.word(at, 4));
            }
        }
        if listed != free {
            return Err(format!("{listed} of {free} free blocks are listed"));
        }
        Ok(())
    }
}
