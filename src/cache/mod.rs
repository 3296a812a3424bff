//! The cache: sessions by key, bounded, with an expiry each.
//!
//! It owns one reference of type `V` for each session it holds and gives out clones. What leaves, for whatever reason,
//! is returned to the caller, who drops it, or marks it and calls somebody back first; no value is ever dropped under a
//! lock. `V::clone` and `V::eq` do run under one: they must be short and must not call back (one atomic increment; one
//! comparison of pointers). Dropping a returned value may do anything, also call the cache.
//!
//! * The bound is exact at every moment and for any capacity and number of shards.
//! * Insert, get, take and set_expiry are O(1), whatever is cached; nothing is rehashed, moved or walked under a lock.
//!   Flush and iteration work in batches and hold no lock between them.
//! * A shard's lock is the only wait. Calls of different keys rarely meet.
//! * Memory that cannot be had is `Outcome::Refused`. A cache that was never inserted into has allocated nothing.
//! * An entry takes 78 bytes when `V` is a pointer: a cache line, and 14 bytes in the index. A shard that becomes empty
//!   gives its memory back; one that only shrinks keeps it.
//!
//! It knows no clock (the time is an argument), no thread, no environment and no other layer but the lock. Expiry is the caller's to
//! judge: `get` returns an expired session too, because libssl counts it and removes it itself.
//!
//! The map: `store` has the locks and chooses the shard, by the `hash` of a `key`; a `shard` is `slab` (the entries),
//! `index` (by key), `queues` (who leaves a full shard) and `wheel` (who has expired), the last three running through
//! the slab by `ring`s and chains, in the memory of `segments`; `seats` is the bound, `insert` keeps to it; `sweep` has
//! flush and iteration; `expiry` and `counters` are what they say. `holders` is apart from all: it tells of many caches
//! which hold an object.

#![forbid(unsafe_code)]

mod counters;
mod expiry;
mod hash;
mod holders;
mod index;
mod insert;
mod key;
mod queues;
mod ring;
mod seats;
mod segments;
mod shard;
mod slab;
mod store;
mod sweep;
mod wheel;

#[cfg(test)]
mod tests;

use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

pub use counters::Counters;
pub use expiry::Expiry;
pub use holders::Holders;
pub use insert::{Evicted, Inserted, Outcome};
pub use key::Key;
pub use sweep::{BATCH, Batch, Batches, Sweep};

use once_cell::race::OnceBox;
use seats::Seats;
use shard::Shard;
use store::{Home, Locked, Store};

/// What is known of a client when its session is cached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientHistory {
    /// Nothing: most clients never return.
    New,
    /// It offered a session that is not here: it may be coming back, or make ids up. Kept longer where nobody who is
    /// known to return claims the room.
    Returning,
    /// It came back: the session was made in a resumed handshake, or the client offered one that had to leave and asks
    /// more often than others who stayed. It is kept longer.
    Proven,
}

/// Which sessions a flush removes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flush {
    /// All that are cached when it begins.
    Everything,
    /// Those whose expiry lies before this second: all with `t > expiry`.
    ExpiredBefore(i64),
}

/// The cache. See the module's own words for what it promises.
pub struct Cache<V> {
    seats: Seats,
    shards_wanted: usize,
    /// Not a OnceLock, which would keep a forked child waiting for a thread it does not have.
    store: OnceBox<Store<V>>,
    /// Look-ups before there was a shard.
    misses_before: AtomicU64,
    refused: AtomicU64,
    /// The shard that was last asked to make room for others.
    last_asked: AtomicUsize,
}

impl<V: Clone + PartialEq> Cache<V> {
    /// A cache for `capacity` sessions, 0 meaning as many as memory holds. `shards` is how many threads should be able
    /// to work side by side; a small cache uses fewer, to choose its victims better.
    pub fn new(capacity: usize, shards: usize) -> Self {
        Cache {
            seats: Seats::new(capacity),
            shards_wanted: shards,
            store: OnceBox::new(),
            misses_before: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            last_asked: AtomicUsize::new(0),
        }
    }

    /// How many sessions it may hold; 0 means as many as memory holds.
    pub fn capacity(&self) -> usize {
        self.seats.capacity()
    }

    /// Changes the capacity. What is too many leaves at the next insert that stores something.
    pub fn set_capacity(&self, capacity: usize) {
        self.seats.set_capacity(capacity);
    }

    /// How many sessions it holds.
    pub fn len(&self) -> usize {
        self.seats.taken()
    }

    /// How many of them can be reached: a shard that a fork has lost keeps its seats. Asks each shard.
    pub fn reachable(&self) -> usize {
        self.shards().map(|shard| shard.len()).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The session of this key, expired or not; a use, which makes it stay longer.
    pub fn get(&self, key: &Key) -> Option<V> {
        self.look_up(key, Shard::get)
    }

    /// As `get`, for a client that is given another session and will offer that one (TLS 1.3). The session stays, as if
    /// it were new, for those who offer it a second time.
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

    /// The standing of a client that offered the session of this key, which was not found: for the session that it is
    /// given instead.
    pub fn history_of(&self, key: &Key) -> ClientHistory {
        let Some(home) = self.home(key) else {
            return ClientHistory::Returning;
        };
        match home.shard.lock() {
            Some(mut shard) => shard.history_of(home.hash),
            None => ClientHistory::Returning,
        }
    }

    /// Whether there is a session of this key; not a use.
    pub fn contains(&self, key: &Key) -> bool {
        self.at_home_of(key, |_, _| ()).is_some()
    }

    /// Removes the session of this key and returns it. Of any number of threads that take one session, one gets it.
    pub fn take(&self, key: &Key) -> Option<V> {
        self.remove_if(key, |_, _| true)
    }

    /// Removes the session of this key and returns it, if it is this same object.
    pub fn remove_if_same(&self, key: &Key, value: &V) -> Option<V> {
        self.remove_if(key, |shard, at| shard.is_same(at, value))
    }

    fn remove_if(&self, key: &Key, wanted: impl FnOnce(&Shard<V>, u32) -> bool) -> Option<V> {
        let (gone, spent) = self.at_home_of(key, |shard, at| {
            if !wanted(shard, at) {
                return None;
            }
            let gone = shard.take(at);
            self.seats.give_back(1);
            Some((gone, shard.give_back_memory()))
        })??;
        drop(spent);
        Some(gone)
    }

    /// Whether there is a session of this key, and it is this same object; not a use.
    pub fn contains_same(&self, key: &Key, value: &V) -> bool {
        self.at_home_of(key, |shard, at| shard.is_same(at, value)) == Some(true)
    }

    /// Gives the session of this key another expiry, if it is this same object; not a use.
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

    /// Runs `act` on the entry of this key, under the lock; None if there is no such entry.
    fn at_home_of<R>(&self, key: &Key, act: impl FnOnce(&mut Shard<V>, u32) -> R) -> Option<R> {
        let home = self.home(key)?;
        let mut shard = home.shard.lock()?;
        let at = shard.find(home.hash, key)?;
        Some(act(&mut shard, at))
    }

    /// Removes many: nothing yet, but a batch with each step of the iterator it returns.
    pub fn flush(&self, which: Flush) -> Sweep<'_, V> {
        Sweep::new(self, which)
    }

    /// All sessions, in batches of clones; no uses.
    pub fn iter(&self) -> Batches<'_, V> {
        Batches::new(self)
    }

    /// What has happened so far.
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

    /// How many bytes it occupies, without what its values own.
    pub fn memory(&self) -> usize {
        let parts: usize = self.shards().map(|shard| shard.memory()).sum();
        size_of::<Self>() + self.store.get().map_or(0, Store::memory) + parts
    }

    /// Recounts everything while nothing moves, and panics where two counts differ.
    #[cfg(any(test, fuzzing))]
    pub fn validate(&self) {
        let held: Vec<_> = self.shards().collect();
        let cached: usize = held.iter().map(|shard| shard.validate()).sum();
        assert_eq!(cached, self.seats.taken(), "entries and seats taken");
    }

    fn store_or_make(&self) -> Option<&Store<V>> {
        self.store.get().or_else(|| self.make_store())
    }

    #[cold]
    fn make_store(&self) -> Option<&Store<V>> {
        let store = Store::new(self.capacity(), self.shards_wanted)?;
        // Of threads that arrive together each makes one, and one is kept.
        Some(self.store.get_or_init(|| Box::new(store)))
    }

    fn home(&self, key: &Key) -> Option<Home<'_, V>> {
        self.store.get()?.home(key)
    }

    /// Each shard that was made and is not lost, locked while it is looked at.
    fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard<V>>> {
        let shards = self.store.get().into_iter().flat_map(Store::shards);
        shards.filter_map(Locked::lock)
    }
}
