//! The index, from a key's hash to the entry: a table that grows and shrinks by a few buckets at a time.
//!
//! Linear hashing (Litwin 1980): with n buckets, a hash goes to its low bits, one bit fewer where that bucket does not
//! exist yet. One insert in ten splits eight buckets, and a removal joins at most eight, so the longest step is the chains
//! of eight buckets, and chains are short because there are never more than five entries to four buckets (unless there is
//! no memory for buckets).
//!
//! In a large cache each step from line to line is a wait for main memory, and a branch that depends on the loaded value
//! stalls the processor. So a bucket has sixteen bits that tell, for most keys, that they are not in its chain: an insert of
//! a new key reads and writes one line of the index, and follows no chain. The buckets that are split next are known long
//! before, so their chains are fetched during earlier calls.
//!
//! hashbrown's `HashTable` would be less code, but it grows by moving every entry at once: milliseconds under a shard's lock
//! at 100,000 entries, in the middle of a handshake. To spread that over later calls needs a second table beside the first
//! and more code than this file.
//!
//! A bucket also remembers, in two bytes, the entry that last left it: 10 bits of its hash, and when it was used, until the
//! next entry leaves the bucket or the client comes back. One hash in 1,024 agrees with the memory of another: it is a hint,
//! never an answer.

use super::key::Key;
use super::rank::{Moment, Remembered};
use super::segments::{Element, Segments};
use super::slab::{Entry, HASH_BITS, Hook, NIL, Slab, kept_of};
use crate::sys::prefetch::prefetch;

/// Buckets that are split or joined at once: those of a cache line. What the first waits for, the others have waited for, too.
const AT_ONCE: usize = 8;
const RUN: u32 = AT_ONCE as u32;
/// So few buckets are never joined, as there is nothing to gain.
const FEWEST: u32 = 2 * RUN;
/// From so many on, buckets and chains are further away than a nearby cache.
const AHEAD_FROM: u32 = 1 << 11;
/// No hash would reach more buckets; in a shard with 16 million entries chains begin to get longer.
const MOST: u32 = 1 << HASH_BITS;

pub(super) struct Index {
    /// A multiple of `AT_ONCE` of buckets.
    buckets: Segments<Bucket>,
    /// The bits of a hash that are used: so many that each bucket is reached.
    mask: u32,
    /// With more entries, buckets are split: with five to four buckets.
    full: u32,
    /// With fewer entries, buckets are joined. That is a quarter of the buckets, while splitting keeps them full: a cache whose size swings
    /// a little neither splits nor joins.
    sparse: u32,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// The first entry; the others follow through `Hook::chain`.
    head: u32,
    /// The tags of all entries in the chain, and of some that have left it.
    tags: u16,
    /// The memory of the entry that left last.
    left: Left,
}

/// Where an entry hangs in the index.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The number of its bucket.
    bucket: u32,
    /// The entry that chains it; `NIL` if it is the first.
    before: u32,
    /// Its position.
    pub(super) at: u32,
    /// Its hook.
    hook: Hook,
}

impl Element for Bucket {
    const BLANK: Self = Bucket::new(Left::NOBODY);
}

impl Bucket {
    const fn new(left: Left) -> Bucket {
        Bucket {
            head: NIL,
            tags: 0,
            left,
        }
    }

    /// Makes the entry at `at` the first, and returns the one that was first before.
    fn push(&mut self, hash: u32, at: u32) -> u32 {
        self.tags |= tag(hash);
        std::mem::replace(&mut self.head, at)
    }
}

/// The memory of an entry that left: a mark and a time; or `NOBODY`, as long as no entry has left, and after the client came back.
#[derive(Clone, Copy)]
struct Left(u16);

impl Left {
    const NOBODY: Left = Left(0);

    fn new(hash: u32, used: Moment) -> Left {
        let left = mark(hash) << Remembered::BITS | u16::from(Remembered::of(used).bits());
        // Somebody, whatever the mark and the time.
        Left(left.max(1))
    }

    fn is_of(self, hash: u32) -> bool {
        self.0 != Left::NOBODY.0 && self.0 >> Remembered::BITS == mark(hash)
    }

    fn used(self) -> Remembered {
        Remembered::from_bits(self.0 as u8)
    }
}

/// The part of a hash that is remembered: of the bits that a hook keeps, those that are the last to choose the bucket.
fn mark(hash: u32) -> u16 {
    (kept_of(hash) >> (HASH_BITS - (u16::BITS - Remembered::BITS))) as u16
}

/// One of sixteen bits, by the last four of the bits that a hook keeps.
fn tag(hash: u32) -> u16 {
    1 << (kept_of(hash) >> (HASH_BITS - 4))
}

impl Index {
    pub(super) const fn new() -> Self {
        Index {
            buckets: Segments::new(),
            mask: 0,
            full: 0,
            sparse: 0,
        }
    }

    /// True if there is a bucket to link into; false only if there is no memory for the very first ones.
    #[inline(always)]
    pub(super) fn make_ready(&mut self) -> bool {
        self.buckets.len() > 0 || self.begin()
    }

    #[cold]
    fn begin(&mut self) -> bool {
        let has_room = self.buckets.make_ready_for_run::<AT_ONCE>();
        if has_room {
            self.buckets.push_run([Bucket::BLANK; AT_ONCE]);
            self.set_bounds();
        }
        has_room
    }

    pub(super) fn memory(&self) -> usize {
        self.buckets.memory()
    }

    fn bucket(&self, hash: u32) -> u32 {
        let bucket = hash & self.mask;
        if bucket < self.buckets.len() {
            bucket
        } else {
            bucket & (self.mask >> 1)
        }
    }

    /// Notes what depends on the number of buckets.
    fn set_bounds(&mut self) {
        let buckets = self.buckets.len();
        let last = buckets - 1;
        self.mask = last.checked_ilog2().map_or(0, |top| u32::MAX >> (31 - top));
        self.full = buckets + buckets / 4;
        self.sparse = if buckets > FEWEST { buckets / 4 } else { 0 };
    }

    /// The bucket that the last one was split from.
    fn sibling(last: u32) -> u32 {
        last ^ (1 << last.ilog2())
    }

    /// The entry of a key, and where it hangs.
    #[inline(always)]
    pub(super) fn find<'a, V>(
        &self,
        slab: &'a Slab<V>,
        hash: u32,
        key: &Key,
    ) -> Option<(Place, &'a Entry<V>)> {
        if self.buckets.len() == 0 {
            return None;
        }
        let number = self.bucket(hash);
        let bucket = &self.buckets[number];
        if bucket.tags & tag(hash) == 0 {
            return None;
        }
        let (mut before, mut at) = (NIL, bucket.head);
        while at != NIL {
            let hook = *slab.hook(at);
            if hook.hash() == kept_of(hash) {
                let entry = &slab[at];
                if entry.is_of(key) {
                    let place = Place {
                        bucket: number,
                        before,
                        at,
                        hook,
                    };
                    return Some((place, entry));
                }
            }
            (before, at) = (at, hook.chain);
        }
        None
    }

    /// Where the entry at `at` hangs.
    #[inline(always)]
    pub(super) fn place_of<V>(&self, slab: &Slab<V>, at: u32) -> Place {
        let hook = *slab.hook(at);
        let bucket = self.bucket(hook.hash());
        let mut before = NIL;
        let mut next = self.buckets[bucket].head;
        while next != at {
            before = next;
            next = slab.hook(next).chain;
        }
        Place {
            bucket,
            before,
            at,
            hook,
        }
    }

    /// Begins to load the buckets of these entries, and then what stands before them there: all at once, where their removal would
    /// wait for one after the other.
    pub(super) fn fetch_places<V>(&self, slab: &Slab<V>, entries: &[u32]) {
        let bucket_of = |at| &self.buckets[self.bucket(slab.hook(at).hash())];
        for &at in entries {
            prefetch(bucket_of(at));
        }
        for &at in entries {
            let head = bucket_of(at).head;
            if head != at {
                slab.prefetch_hook(head);
            }
        }
    }

    /// Makes an entry that will be at `at` the first of its bucket; the caller chains the returned entry to it. `make_ready`
    /// must have returned true before.
    #[inline(always)]
    pub(super) fn link(&mut self, hash: u32, at: u32) -> u32 {
        let bucket = self.bucket(hash);
        self.buckets[bucket].push(hash, at)
    }

    /// Splits `AT_ONCE` buckets if there are too many entries for the buckets; called after an entry was added.
    pub(super) fn grow<V>(&mut self, slab: &mut Slab<V>) {
        if slab.len() > self.full {
            self.split_some(slab);
        }
    }

    /// When the entry of this hash was last used, if it has left and its bucket remembers it, which it then no longer does: who
    /// offers a session again and again has come back once.
    pub(super) fn recall(&mut self, hash: u32) -> Option<Remembered> {
        if self.buckets.len() == 0 {
            return None;
        }
        let bucket = self.bucket(hash);
        let left = &mut self.buckets[bucket].left;
        if !left.is_of(hash) {
            return None;
        }
        let used = left.used();
        *left = Left::NOBODY;
        Some(used)
    }

    /// Takes out an entry, and remembers it.
    #[inline(always)]
    pub(super) fn unlink<V>(&mut self, slab: &mut Slab<V>, place: Place) {
        let hook = place.hook;
        let after = hook.chain;
        let bucket = &mut self.buckets[place.bucket];
        bucket.left = Left::new(hook.hash(), hook.used());
        if place.before != NIL {
            slab.hook_mut(place.before).chain = after;
        } else {
            bucket.head = after;
            if after == NIL {
                // Else its tag stays, which others may share: to know would be to follow the chain.
                bucket.tags = 0;
            }
        }
        if slab.len() < self.sparse {
            self.join_some(slab);
        }
    }

    /// Without memory the chains get longer; the next insert tries again.
    #[inline(never)]
    fn split_some<V>(&mut self, slab: &mut Slab<V>) {
        let last = self.buckets.len();
        if last == MOST || !self.buckets.make_ready_for_run::<AT_ONCE>() {
            return;
        }
        if last >= AHEAD_FROM {
            self.fetch_ahead(slab);
        }
        let decisive = 1 << last.ilog2();
        let mut goes = [Bucket::BLANK; AT_ONCE];
        let old = self.buckets.run::<AT_ONCE>(Self::sibling(last));
        for (old, goes) in old.iter_mut().zip(&mut goes) {
            // Both keep the memory: to which of them it belongs now, it does not say.
            *goes = Bucket::new(old.left);
            let mut at = std::mem::replace(old, *goes).head;
            while at != NIL {
                let hook = slab.hook_mut(at);
                let hash = hook.hash();
                let to = if hash & decisive == 0 {
                    &mut *old
                } else {
                    &mut *goes
                };
                let after = std::mem::replace(&mut hook.chain, to.push(hash, at));
                at = after;
            }
        }
        self.buckets.push_run(goes);
        self.set_bounds();
    }

    /// Begins to load what the next splits will follow, one step each time, so that it is there in time.
    fn fetch_ahead<V>(&self, slab: &Slab<V>) {
        const BUCKETS_AHEAD: u32 = 4 * RUN;
        let next = self.buckets.len() + RUN;
        let head_of = |number| self.buckets[Self::sibling(number)].head;
        prefetch(&self.buckets[Self::sibling(next + BUCKETS_AHEAD)]);
        for head in (next + RUN..next + 2 * RUN).map(head_of) {
            if head != NIL {
                slab.prefetch_hook(head);
            }
        }
        for head in (next..next + RUN).map(head_of) {
            if head != NIL && slab.hook(head).chain != NIL {
                slab.prefetch_hook(slab.hook(head).chain);
            }
        }
    }

    #[cold]
    fn join_some<V>(&mut self, slab: &mut Slab<V>) {
        let last = self.buckets.pop_run::<AT_ONCE>();
        self.set_bounds();
        let old = self
            .buckets
            .run::<AT_ONCE>(Self::sibling(self.buckets.len()));
        for (old, last) in old.iter_mut().zip(last) {
            if last.head == NIL {
                continue;
            }
            let mut end = last.head;
            while slab.hook(end).chain != NIL {
                end = slab.hook(end).chain;
            }
            old.tags |= last.tags;
            slab.hook_mut(end).chain = std::mem::replace(&mut old.head, last.head);
        }
    }

    /// Follows every chain.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate<V>(&self, slab: &Slab<V>) {
        let mut met = 0;
        for number in 0..self.buckets.len() {
            let bucket = &self.buckets[number];
            let mut at = bucket.head;
            while at != NIL {
                met += 1;
                assert!(met <= slab.len(), "a chain ends");
                let hook = slab.hook(at);
                assert_eq!(
                    self.bucket(hook.hash()),
                    number,
                    "an entry hangs on its own bucket"
                );
                assert_eq!(
                    self.find(slab, hook.hash(), &slab[at].key())
                        .map(|(place, _)| place.at),
                    Some(at),
                    "a key leads to its entry"
                );
                at = hook.chain;
            }
            assert!(
                bucket.head != NIL || bucket.tags == 0,
                "an empty bucket has no tags"
            );
        }
        assert_eq!(met, slab.len(), "every entry is in the index");
    }
}
