//! One shard: everything that one lock protects.
//!
//! Slab, index, queues and wheel always agree; this is the only file that changes more than one of them. A session that
//! leaves is returned, never dropped here: the caller holds the lock, and dropping a value runs its owner's code. Only
//! `clone` and `eq` of a value run here, and only while the parts agree.
//!
//! The caller takes a slot before `store` and releases one after each departure.

use super::batch::{BATCH, Batch, Positions};
use super::counters::Counters;
use super::expiry::Expiry;
use super::history::ClientHistory;
use super::index::{Index, Place};
use super::key::Key;
use super::queues::Queues;
use super::slab::{Entry, Hook, Slab, Ties};
use super::wheel::{Progress, Scan, Wheel};

/// Entries that a walk or a scan may look at under one lock.
const LOOKS_MOST: u32 = 64;

pub(super) struct Shard<V> {
    slab: Slab<V>,
    index: Index,
    queues: Queues,
    wheel: Wheel,
    pub(super) counters: Counters,
}

/// What a session that arrives finds under its key.
pub(super) enum Met {
    /// No session.
    Nobody,
    /// Itself.
    Itself,
    /// Another object, at this position.
    Another(u32),
}

/// A walk over the positions of a shard, up to where its slab ended when the walk began.
pub(super) struct Walk {
    next: u32,
    end: u32,
}

/// The memory of a shard that became empty, to be dropped outside the lock.
pub(super) struct Spent<V> {
    _slab: Slab<V>,
    _index: Index,
}

impl<V: Clone + PartialEq> Shard<V> {
    pub(super) fn new() -> Self {
        Shard {
            slab: Slab::new(),
            index: Index::new(),
            queues: Queues::new(),
            wheel: Wheel::new(),
            counters: Counters::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len() as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn memory(&self) -> usize {
        self.slab.memory() + self.index.memory() + self.wheel.memory()
    }

    #[inline]
    pub(super) fn find(&self, hash: u32, key: &Key) -> Option<u32> {
        let found = self.index.find(&self.slab, hash, key);
        found.map(|(place, _)| place.at)
    }

    /// What a session that arrives finds under its key. If it is this very object, its expiry is set, and the arrival counted.
    #[inline(always)]
    pub(super) fn meet(&mut self, hash: u32, key: &Key, value: &V, expiry: Expiry) -> Met {
        let Some((Place { at, .. }, entry)) = self.index.find(&self.slab, hash, key) else {
            return Met::Nobody;
        };
        if entry.value().is_none_or(|cached| cached != value) {
            return Met::Another(at);
        }
        // Nearly always the same.
        if self.slab.expiry_of(entry) != expiry {
            self.move_expiry(at, expiry);
        }
        self.counters.already_cached += 1;
        Met::Itself
    }

    pub(super) fn is_same(&self, at: u32, value: &V) -> bool {
        self.slab.value(at) == Some(value)
    }

    /// A clone of the key's value; counts as a use.
    pub(super) fn get(&mut self, hash: u32, key: &Key) -> Option<V> {
        let at = self.find_and_count(hash, key)?;
        self.queues.count_use(&mut self.slab, at);
        self.slab.value(at).cloned()
    }

    /// A clone of the key's value, which is not expected to be used again.
    pub(super) fn get_once(&mut self, hash: u32, key: &Key) -> Option<V> {
        let at = self.find_and_count(hash, key)?;
        self.queues.retire(&mut self.slab, at);
        self.slab.value(at).cloned()
    }

    fn find_and_count(&mut self, hash: u32, key: &Key) -> Option<u32> {
        let found = self.find(hash, key);
        match found {
            Some(_) => self.counters.hits += 1,
            None => self.counters.misses += 1,
        }
        found
    }

    /// The history of a client that offered the session of this hash, which `find` did not find.
    pub(super) fn history_of(&mut self, hash: u32) -> ClientHistory {
        match self.index.recall(hash) {
            Some(used) if self.queues.outranks_oldest(&mut self.slab, used) => {
                ClientHistory::Proven
            }
            _ => ClientHistory::Returning,
        }
    }

    /// Makes room for one more entry; false if there is no memory for it.
    #[inline(always)]
    pub(super) fn make_ready(&mut self) -> bool {
        self.wheel.make_ready(&mut self.slab);
        self.slab.make_ready() && self.index.make_ready()
    }

    /// Adds an entry of a key that `find` did not find. `make_ready` must have returned true, or an entry have been evicted,
    /// just before.
    #[inline(always)]
    pub(super) fn store(
        &mut self,
        (hash, key): (u32, &Key),
        value: V,
        expiry: Expiry,
        history: ClientHistory,
    ) {
        let at = self.slab.next_position();
        let (packed, expiry) = self.slab.pack(expiry);
        let in_wheel = self.wheel.make_way(&mut self.slab, at, expiry);
        let (rank, in_queue) = self.queues.make_way(&mut self.slab, at, history);
        let chain = self.index.link(hash, at);
        let hook = Hook::new(hash, chain, self.queues.now());
        let ties = Ties {
            rank,
            in_queue,
            in_wheel,
            expiry,
        };
        self.slab
            .occupy(Entry::new(key, value, &ties, packed), hook);
        self.index.grow(&mut self.slab);
        self.counters.inserted += 1;
    }

    /// Replaces the session at `at` by another one of the same key.
    pub(super) fn replace(
        &mut self,
        at: u32,
        value: V,
        expiry: Expiry,
        history: ClientHistory,
    ) -> V {
        self.set_expiry(at, expiry);
        let ties = self.slab.ties(at);
        self.queues.withdraw(&mut self.slab, &ties);
        self.queues.admit(&mut self.slab, at, history);
        self.counters.replaced += 1;
        self.slab.exchange(at, value)
    }

    #[inline]
    pub(super) fn set_expiry(&mut self, at: u32, expiry: Expiry) {
        if self.slab.expiry(at) != expiry {
            self.move_expiry(at, expiry);
        }
    }

    #[inline(never)]
    fn move_expiry(&mut self, at: u32, expiry: Expiry) {
        let ties = self.slab.ties(at);
        self.wheel.withdraw(&mut self.slab, &ties);
        self.slab.set_expiry(at, expiry);
        self.wheel.add(&mut self.slab, at);
    }

    /// Removes the key's entry, if `wanted` says so of its value.
    #[inline(always)]
    pub(super) fn take(
        &mut self,
        hash: u32,
        key: &Key,
        wanted: impl FnOnce(Option<&V>) -> bool,
    ) -> Option<V> {
        let (place, entry) = self.index.find(&self.slab, hash, key)?;
        if !wanted(entry.value()) {
            return None;
        }
        let gone = self.detach(place);
        self.counters.removed += 1;
        Some(gone)
    }

    fn remove(&mut self, at: u32) -> V {
        let place = self.index.place_of(&self.slab, at);
        self.detach(place)
    }

    #[inline(always)]
    fn detach(&mut self, place: Place) -> V {
        let (value, ties) = self.slab.vacate(place.at);
        self.index.unlink(&mut self.slab, place);
        self.queues.withdraw(&mut self.slab, &ties);
        self.wheel.withdraw(&mut self.slab, &ties);
        value
    }

    /// Evicts the least valuable session; `None` only if the shard is empty.
    #[inline(always)]
    pub(super) fn evict_one(&mut self, now: i64) -> Option<V> {
        let at = self.queues.victim(&mut self.slab, now)?;
        self.counters.evicted += 1;
        Some(self.remove(at))
    }

    pub(super) fn begin_walk(&self) -> Walk {
        Walk {
            next: 0,
            end: self.slab.positions(),
        }
    }

    pub(super) fn begin_scan(&mut self, before: i64) -> Option<Scan> {
        self.wheel.begin(before)
    }

    pub(super) fn resume_scan(&mut self, scan: &mut Scan) {
        self.wheel.resume(scan);
    }

    /// Clones up to a batch of the sessions that the walk meets. Returns whether the walk goes on.
    pub(super) fn clone_step(&self, walk: &mut Walk, met: &mut Batch<V>) -> bool {
        let mut looks = LOOKS_MOST;
        while met.len() < BATCH {
            match self.next_occupied(walk, &mut looks) {
                Progress::Found(at) => met.extend(self.slab.value(at).cloned()),
                Progress::Paused => return true,
                Progress::Finished => return false,
            }
        }
        true
    }

    /// Removes up to a batch of the sessions that the walk meets. Returns whether the walk goes on.
    pub(super) fn flush_step(&mut self, walk: &mut Walk, gone: &mut Batch<V>) -> bool {
        let mut looks = LOOKS_MOST;
        let mut found = Positions::new();
        let mut more = true;
        while found.len() < BATCH {
            match self.next_occupied(walk, &mut looks) {
                Progress::Found(at) => found.push(at),
                Progress::Paused => break,
                Progress::Finished => {
                    more = false;
                    break;
                }
            }
        }
        self.index.fetch_places(&self.slab, &found);
        for at in found {
            gone.push(self.remove(at));
            self.counters.flushed += 1;
        }
        more
    }

    /// Removes up to a batch of the sessions that the scan finds expired. Returns whether the scan goes on.
    pub(super) fn expire_step(&mut self, scan: &mut Scan, gone: &mut Batch<V>) -> bool {
        let mut looks = LOOKS_MOST;
        let next = self.wheel.next_of_slot(&self.slab, scan);
        self.index.fetch_places(&self.slab, &next);
        while gone.len() < BATCH {
            match self.wheel.next_expired(&mut self.slab, scan, &mut looks) {
                Progress::Found(at) => gone.push(self.remove(at)),
                Progress::Paused => return true,
                Progress::Finished => return false,
            }
            self.counters.expired += 1;
        }
        true
    }

    fn next_occupied(&self, walk: &mut Walk, looks: &mut u32) -> Progress {
        // The slab may have been replaced since the last step.
        let end = walk.end.min(self.slab.positions());
        while walk.next < end {
            if *looks == 0 {
                return Progress::Paused;
            }
            *looks -= 1;
            let at = walk.next;
            walk.next += 1;
            if self.slab.value(at).is_some() {
                return Progress::Found(at);
            }
        }
        Progress::Finished
    }

    /// True if the shard has become empty after having been large.
    #[inline]
    pub(super) fn is_spent(&self) -> bool {
        self.is_empty() && self.slab.has_grown()
    }

    /// Takes the memory of a shard that is spent.
    pub(super) fn give_back_memory(&mut self) -> Option<Spent<V>> {
        self.is_spent().then(|| Spent {
            _slab: std::mem::replace(&mut self.slab, Slab::new()),
            _index: std::mem::replace(&mut self.index, Index::new()),
        })
    }

    /// Recounts every part; returns the number of entries.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate(&self) -> usize {
        self.slab.validate();
        self.index.validate(&self.slab);
        self.queues.validate(&self.slab);
        self.wheel.validate(&self.slab);
        assert!(
            !self.is_empty() || !self.slab.has_grown(),
            "an empty shard has given its memory back"
        );
        let count = &self.counters;
        let left = count.evicted + count.expired + count.flushed + count.removed;
        assert_eq!(
            count.inserted - left,
            u64::from(self.slab.len()),
            "the counters account for every entry"
        );
        self.slab.len() as usize
    }
}
