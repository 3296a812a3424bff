//! The cache as a whole: its bound, its shards, and the calls that concern one session.

use std::sync::atomic::Ordering::Relaxed;

use once_cell::race::OnceBox;

use super::counters::Counters;
use super::expiry::Expiry;
use super::history::ClientHistory;
use super::key::Key;
use super::shard::Shard;
use super::slots::Slots;
use super::store::{Home, Locked, Store};
use crate::sys::atomic::{AtomicU64, AtomicUsize};
use crate::sys::lock::Guard;

/// A cache of sessions; the module's documentation has its guarantees.
pub struct Cache<V> {
    pub(super) slots: Slots,
    shards_wanted: usize,
    /// Not a OnceLock, which would make a forked child wait for a thread that it does not have.
    pub(super) store: OnceBox<Store<V>>,
    /// Look-ups that missed before there was a shard.
    misses_before: AtomicU64,
    pub(super) refused: AtomicU64,
    /// The shard that was last asked to make room for others.
    pub(super) last_asked: AtomicUsize,
}

impl<V: Clone + PartialEq> Cache<V> {
    /// Makes a cache for `capacity` sessions; 0 means as many as memory holds. `shards` is how many threads should be able
    /// to work side by side; a small cache uses fewer, to choose better which session leaves.
    pub fn new(capacity: usize, shards: usize) -> Self {
        Cache {
            slots: Slots::new(capacity),
            shards_wanted: shards,
            store: OnceBox::new(),
            misses_before: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            last_asked: AtomicUsize::new(0),
        }
    }

    /// How many sessions it may hold; 0 means as many as memory holds.
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Changes the capacity. Sessions beyond it leave at the next insert that stores one.
    pub fn set_capacity(&self, capacity: usize) {
        self.slots.set_capacity(capacity);
    }

    /// How many sessions it holds.
    pub fn len(&self) -> usize {
        self.slots.taken()
    }

    /// How many of them can be reached: a shard that a fork has lost keeps its slots. Locks each shard in turn.
    pub fn reachable(&self) -> usize {
        self.shards().map(|shard| shard.len()).sum()
    }

    /// True if it holds no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The session of this key, expired or not. Counts as a use, which makes it stay longer.
    pub fn get(&self, key: &Key) -> Option<V> {
        self.look_up(key, Shard::get)
    }

    /// As `get`, for a client that gets another session and will offer that one next (TLS 1.3). The session stays, as if it
    /// were new, in case it is offered a second time.
    pub fn get_once(&self, key: &Key) -> Option<V> {
        self.look_up(key, Shard::get_once)
    }

    fn look_up(&self, key: &Key, get: fn(&mut Shard<V>, u32, &Key) -> Option<V>) -> Option<V> {
        let Some(home) = self.home(key) else {
            self.misses_before.fetch_add(1, Relaxed);
            return None;
        };
        let mut shard = home.shard.lock()?;
        get(&mut shard, home.hash, key)
    }

    /// The history of a client that offered the session of this key, which was not found: for the session that the client
    /// is given instead. To be asked once for a handshake: that a session had to leave is told once.
    pub fn history_of(&self, key: &Key) -> ClientHistory {
        let Some(home) = self.home(key) else {
            return ClientHistory::Returning;
        };
        match home.shard.lock() {
            Some(mut shard) => shard.history_of(home.hash),
            None => ClientHistory::Returning,
        }
    }

    /// True if there is a session of this key; not a use.
    pub fn contains(&self, key: &Key) -> bool {
        self.at_home_of(key, |_, _| ()).is_some()
    }

    /// Removes the session of this key and returns it. Of any number of threads that take one session, one gets it.
    #[inline(always)]
    pub fn take(&self, key: &Key) -> Option<V> {
        self.remove_if(key, |_| true)
    }

    /// Removes the session of this key and returns it, if it is this very object.
    pub fn remove_if_same(&self, key: &Key, value: &V) -> Option<V> {
        self.remove_if(key, |cached| cached == Some(value))
    }

    #[inline(always)]
    fn remove_if(&self, key: &Key, wanted: impl FnOnce(Option<&V>) -> bool) -> Option<V> {
        let home = self.home(key)?;
        let mut held = home.shard.hold()?;
        let shard = held.value();
        let gone = shard.take(home.hash, key, wanted);
        if gone.is_some() {
            self.slots.release(1);
        }
        let is_spent = gone.is_some() && shard.is_spent();
        held.release();
        if is_spent {
            give_back_memory(home.shard);
        }
        gone
    }

    /// True if there is a session of this key and it is this very object; not a use.
    pub fn contains_same(&self, key: &Key, value: &V) -> bool {
        self.at_home_of(key, |shard, at| shard.is_same(at, value)) == Some(true)
    }

    /// Changes the expiry of the session of this key, if it is this very object; not a use.
    pub fn set_expiry_if_same(&self, key: &Key, value: &V, expiry: Expiry) -> bool {
        self.at_home_of(key, |shard, at| {
            let same = shard.is_same(at, value);
            if same {
                shard.set_expiry(at, expiry);
            }
            same
        })
        .unwrap_or(false)
    }

    /// Runs `act` on the entry of this key, under the lock; `None` if there is no such entry.
    fn at_home_of<R>(&self, key: &Key, act: impl FnOnce(&mut Shard<V>, u32) -> R) -> Option<R> {
        let home = self.home(key)?;
        let mut shard = home.shard.lock()?;
        let at = shard.find(home.hash, key)?;
        Some(act(&mut shard, at))
    }

    /// The sums of what the shards have counted.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters {
            misses: self.misses_before.load(Relaxed),
            refused: self.refused.load(Relaxed),
            ..Counters::default()
        };
        for shard in self.shards() {
            sum.add(&shard.counters);
        }
        sum
    }

    /// How many bytes the cache occupies, without what its values own.
    pub fn memory(&self) -> usize {
        let parts: usize = self.shards().map(|shard| shard.memory()).sum();
        size_of::<Self>() + self.store.get().map_or(0, Store::memory) + parts
    }

    /// Recounts everything while nothing moves, and panics where two counts differ.
    #[cfg(any(test, fuzzing))]
    pub fn validate(&self) {
        let held: Vec<_> = self.shards().collect();
        let cached: usize = held.iter().map(|shard| shard.validate()).sum();
        assert_eq!(cached, self.slots.taken(), "entries and slots taken");
    }

    pub(super) fn store_or_make(&self) -> Option<&Store<V>> {
        self.store.get().or_else(|| self.make_store())
    }

    #[cold]
    fn make_store(&self) -> Option<&Store<V>> {
        let store = Store::new(self.capacity(), self.shards_wanted)?;
        // If several threads arrive at once, each makes one, and one is kept.
        Some(self.store.get_or_init(|| Box::new(store)))
    }

    #[inline(always)]
    fn home(&self, key: &Key) -> Option<Home<'_, V>> {
        self.store.get()?.home(key)
    }

    /// Each shard that was made and is not lost, locked while the caller has it.
    fn shards(&self) -> impl Iterator<Item = Guard<'_, Shard<V>>> {
        let shards = self.store.get().into_iter().flat_map(Store::shards);
        shards.filter_map(Locked::lock)
    }
}

#[cold]
fn give_back_memory<V: Clone + PartialEq>(shard: &Locked<V>) {
    let spent = shard.lock().and_then(|mut shard| shard.give_back_memory());
    drop(spent); // outside the lock
}
