//! From a key's hash to the entry: a table that grows and shrinks by one bucket at a time.
//!
//! Linear hashing (Litwin 1980): with n buckets, a hash goes to its low bits, one bit fewer where that bucket does not
//! exist yet. An insert splits at most one bucket and a removal joins at most one, so the longest step is a chain, and
//! chains are short because there are never more entries than buckets (unless memory for buckets could not be had).
//!
//! hashbrown's `HashTable` would be less code and a little faster in the mean, but it grows by moving every entry at
//! once: milliseconds under a shard's lock at 100,000 entries, in the middle of somebody's handshake. Spreading that
//! over later calls needs a second table beside the first and more code than there is here.
//!
//! A bucket also remembers, in two bytes, the entry that left it last: a little of its hash, and when it was used. So
//! there are about as many memories as entries, and each fades when the next entry leaves its bucket. One hash in 256
//! agrees with what is remembered of another: a memory is a hint, never an answer.

use super::key::Key;
use super::queues::Moment;
use super::segments::Segments;
use super::slab::{HASH_BITS, NIL, Slab, kept_of};

/// Buckets that are never joined: below this there is nothing to gain.
const FEWEST: u32 = 16;
/// More than these no hash would reach; in a shard of 16 million chains begin to get longer.
const MOST: u32 = 1 << HASH_BITS;

pub(super) struct Index {
    /// The first entry of each bucket; the rest hang on it through `Hook::chain`.
    heads: Segments<u32>,
    /// The entry that left each bucket last.
    left: Segments<Left>,
    /// The bits of a hash that count: so many that each bucket is reached.
    mask: u32,
}

/// What is remembered of an entry that left. Of a bucket that none has left it is blank, which is as likely to agree
/// with a hash by chance as any other.
#[derive(Clone, Copy, Default)]
struct Left {
    mark: u8,
    used: Moment,
}

/// The part of a hash that is remembered: of what a hook keeps, that which chooses the bucket last.
fn mark(hash: u32) -> u8 {
    (kept_of(hash) >> (HASH_BITS - u8::BITS)) as u8
}

impl Index {
    pub(super) const fn new() -> Self {
        Index {
            heads: Segments::new(),
            left: Segments::new(),
            mask: 0,
        }
    }

    /// Whether there is a bucket to link into; false only if memory for the very first could not be had.
    pub(super) fn make_ready(&mut self) -> bool {
        if self.heads.len() == 0 && self.heads.make_ready() && self.left.make_ready() {
            self.heads.push(NIL);
            self.left.push(Left::default());
        }
        self.heads.len() > 0
    }

    pub(super) fn memory(&self) -> usize {
        self.heads.memory() + self.left.memory()
    }

    fn bucket(&self, hash: u32) -> u32 {
        let bucket = hash & self.mask;
        if bucket < self.heads.len() {
            bucket
        } else {
            bucket & (self.mask >> 1)
        }
    }

    fn set_mask(&mut self) {
        let last = self.heads.len() - 1;
        self.mask = last.checked_ilog2().map_or(0, |top| u32::MAX >> (31 - top));
    }

    /// The bucket that the last one was split from.
    fn sibling(last: u32) -> u32 {
        last ^ (1 << last.ilog2())
    }

    pub(super) fn find<V>(&self, slab: &Slab<V>, hash: u32, key: &Key) -> Option<u32> {
        if self.heads.len() == 0 {
            return None;
        }
        let mut at = self.heads[self.bucket(hash)];
        while at != NIL {
            let hook = slab.hook(at);
            if hook.hash() == kept_of(hash) && slab[at].is_of(key) {
                return Some(at);
            }
            at = hook.chain;
        }
        None
    }

    /// Makes an entry that is about to be at `at` the first of its bucket; the caller chains what is returned to it.
    /// `make_ready` has said yes.
    pub(super) fn link(&mut self, hash: u32, at: u32) -> u32 {
        let bucket = self.bucket(hash);
        std::mem::replace(&mut self.heads[bucket], at)
    }

    /// Splits a bucket if there are more entries than buckets: called when one was added.
    pub(super) fn grow<V>(&mut self, slab: &mut Slab<V>) {
        if slab.len() > self.heads.len() {
            self.split_one(slab);
        }
    }

    /// When the entry of this hash was last used, if it has left and its bucket remembers it.
    pub(super) fn recall(&self, hash: u32) -> Option<Moment> {
        if self.heads.len() == 0 {
            return None;
        }
        let left = self.left[self.bucket(hash)];
        (left.mark == mark(hash)).then_some(left.used)
    }

    /// Takes out an entry that is in the index and still in the slab, and remembers it.
    pub(super) fn unlink<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        let hook = slab.hook(at);
        let after = hook.chain;
        let bucket = self.bucket(hook.hash());
        self.left[bucket] = Left {
            mark: mark(hook.hash()),
            used: hook.used(),
        };
        let head = &mut self.heads[bucket];
        if *head == at {
            *head = after;
        } else {
            let mut before = *head;
            while slab.hook(before).chain != at {
                before = slab.hook(before).chain;
            }
            slab.hook_mut(before).chain = after;
        }
        // A quarter, while splitting keeps it full: a cache whose size swings a little neither splits nor joins.
        if self.heads.len() > FEWEST && slab.len() < self.heads.len() / 4 {
            self.join_one(slab);
        }
    }

    fn split_one<V>(&mut self, slab: &mut Slab<V>) {
        let last = self.heads.len();
        if last == MOST || !self.heads.make_ready() || !self.left.make_ready() {
            return; // Without memory the chains get longer; the next insert tries again.
        }
        let sibling = Self::sibling(last);
        self.heads.push(NIL);
        // Both keep the memory: to which of them it belongs now, it does not say.
        self.left.push(self.left[sibling]);
        self.set_mask();
        let mut at = std::mem::replace(&mut self.heads[sibling], NIL);
        while at != NIL {
            let (hash, after) = (slab.hook(at).hash(), slab.hook(at).chain);
            slab.hook_mut(at).chain = self.link(hash, at);
            at = after;
        }
    }

    fn join_one<V>(&mut self, slab: &mut Slab<V>) {
        let Some(first) = self.heads.pop() else {
            return;
        };
        self.left.pop();
        self.set_mask();
        if first == NIL {
            return;
        }
        let sibling = Self::sibling(self.heads.len());
        let mut end = first;
        while slab.hook(end).chain != NIL {
            end = slab.hook(end).chain;
        }
        slab.hook_mut(end).chain = std::mem::replace(&mut self.heads[sibling], first);
    }

    /// Follows every chain.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate<V>(&self, slab: &Slab<V>) {
        let mut met = 0;
        for bucket in 0..self.heads.len() {
            let mut at = self.heads[bucket];
            while at != NIL {
                met += 1;
                assert!(met <= slab.len(), "a chain ends");
                let hook = slab.hook(at);
                assert_eq!(
                    self.bucket(hook.hash()),
                    bucket,
                    "an entry hangs on its own bucket"
                );
                assert_eq!(
                    self.find(slab, hook.hash(), &slab[at].key()),
                    Some(at),
                    "a key leads to its entry"
                );
                at = hook.chain;
            }
        }
        assert_eq!(met, slab.len(), "every entry is in the index");
        assert_eq!(self.heads.len(), self.left.len());
    }
}
