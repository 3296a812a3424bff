//! The cache: sessions by key, bounded, with an expiry each.
//!
//! It owns one reference of type `V` for each session it holds and gives out clones. What leaves, for whatever reason,
//! is returned to the caller, who drops it, or marks it and calls somebody back first; no value is ever dropped under a
//! lock. `V::clone` and `V::eq` do run under one: they must be short and must not call back (one atomic increment; one
//! comparison of pointers). Dropping a returned value may do anything, also call the cache.
//!
//! * The bound is exact at every moment and for any capacity and number of shards.
//! * Insert, get, take and set_expiry are O(1), whatever is cached; nothing is rehashed, moved or walked under a lock. Flush
//!   and iteration work in batches and hold no lock between them.
//! * A shard's lock is the only wait. Calls of different keys rarely meet.
//! * Memory that cannot be had is `Outcome::Refused`. A cache that was never inserted into has allocated nothing.
//! * An entry takes 80 bytes when `V` is a pointer, and 4 to 8 more for its bucket.
//!
//! It knows no clock (the time is an argument), no thread, no environment and no other layer. Expiry is the caller's to
//! judge: `get` returns an expired session too, because libssl counts it and removes it itself.
//!
//! The map: `store` has the locks and chooses the shard; a `shard` is `slab` (the entries), `index` (by key), `queues`
//! (who leaves a full shard) and `wheel` (who has expired), the last three running through the slab by `ring`s and chains;
//! `seats` is the bound; `sweep` has flush and iteration.

#![forbid(unsafe_code)]

mod counters;
mod expiry;
mod index;
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

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use smallvec::SmallVec;

pub use counters::Counters;
pub use expiry::Expiry;
pub use key::Key;
pub use sweep::{Batch, Batches, Sweep};

use seats::{Seat, Seats};
use shard::Shard;
use slab::Entry;
use store::{Home, Locked, Store};

/// How often an insert looks for room that other threads keep taking before it gives up.
const ATTEMPTS_MOST: u32 = 32;
/// Sessions that one shard gives up under one lock while a lowered capacity is being reached.
const EVICTED_AT_ONCE: usize = 16;

/// What is known of a client when its session is cached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nothing: most clients never return.
    New,
    /// It came back: the session was made in a resumed handshake. It is kept longer.
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

/// What an insert did, and who had to leave for it.
#[must_use = "dropping what left is the caller's decision"]
pub struct Inserted<V> {
    /// What became of the session.
    pub outcome: Outcome<V>,
    /// The sessions that made room, in the order in which they left.
    pub evicted: SmallVec<[V; 1]>,
}

/// What became of an inserted session.
#[derive(Debug)]
pub enum Outcome<V> {
    /// It is cached.
    Added,
    /// This same object was cached already. It has the new expiry; nothing else changed. The reference passed in
    /// comes back.
    AlreadyCached(V),
    /// It is cached in place of another object of the same key, which has left.
    Replaced(V),
    /// It is not cached: memory could not be had, or other threads took all room that was made.
    Refused(V),
}

/// The cache. See the module's own words for what it promises.
pub struct Cache<V> {
    seats: Seats,
    shards_wanted: usize,
    store: OnceLock<Store<V>>,
    /// Held while the store is made, so that `hold` can keep one from being made.
    making: Mutex<()>,
    /// Look-ups before there was a store.
    misses_before: AtomicU64,
    refused: AtomicU64,
    /// The shard that was last asked to make room for others.
    last_asked: AtomicUsize,
}

impl<V: Clone + PartialEq> Cache<V> {
    /// A cache for `capacity` sessions, 0 meaning as many as memory holds. `shards` is how many threads should be able to
    /// work side by side; a small cache uses fewer, to choose its victims better.
    pub fn new(capacity: usize, shards: usize) -> Self {
        Cache {
            seats: Seats::new(capacity),
            shards_wanted: shards,
            store: OnceLock::new(),
            making: Mutex::new(()),
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

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Caches a session. `now` is used to prefer expired sessions where one has to leave.
    pub fn insert(
        &self,
        key: Key,
        value: V,
        expiry: Expiry,
        standing: Standing,
        now: i64,
    ) -> Inserted<V> {
        let arrival = Arrival {
            key,
            value,
            expiry,
            standing,
            now,
        };
        let mut evicted = SmallVec::new();
        let outcome = match self.store_or_make() {
            Some(store) => self.place(store, arrival, &mut evicted),
            None => Outcome::Refused(arrival.value),
        };
        if let Outcome::Refused(_) = outcome {
            self.refused.fetch_add(1, Relaxed);
        }
        Inserted { outcome, evicted }
    }

    fn place(
        &self,
        store: &Store<V>,
        mut arrival: Arrival<V>,
        evicted: &mut SmallVec<[V; 1]>,
    ) -> Outcome<V> {
        let home = store.home(&arrival.key);
        for _ in 0..ATTEMPTS_MOST {
            // Here and not when it is needed: under the lock there must be room for what is evicted.
            if evicted.try_reserve(1).is_err() {
                break;
            }
            match self.try_place(&home, arrival, evicted) {
                Ok(outcome) => return outcome,
                Err(no_room) => {
                    arrival = no_room.arrival;
                    self.make_room(store, no_room.wanted, arrival.now, evicted);
                }
            }
        }
        Outcome::Refused(arrival.value)
    }

    /// One attempt under the lock of the key's shard.
    fn try_place(
        &self,
        home: &Home<'_, V>,
        arrival: Arrival<V>,
        evicted: &mut SmallVec<[V; 1]>,
    ) -> Result<Outcome<V>, NoRoom<V>> {
        let Some(mut shard) = home.shard.lock() else {
            return Ok(Outcome::Refused(arrival.value));
        };
        if let Some(at) = shard.find(home.hash, &arrival.key) {
            if shard.is_same(at, &arrival.value) {
                shard.add_again(at, arrival.expiry);
                return Ok(Outcome::AlreadyCached(arrival.value));
            }
            if self.seats.over(0) > 0 {
                return Err(NoRoom { arrival, wanted: 0 });
            }
            let replaced = shard.replace(at, arrival.value, arrival.expiry, arrival.standing);
            return Ok(Outcome::Replaced(replaced));
        }
        match self.seats.take() {
            Seat::Taken if shard.make_ready() => {}
            Seat::Taken => {
                self.seats.give_back(1);
                return Ok(Outcome::Refused(arrival.value));
            }
            // A swap within the shard: the seat passes from one to the other and is never free.
            Seat::Full => match shard.evict_one(arrival.now) {
                Some(gone) => evicted.push(gone),
                None => return Err(NoRoom { arrival, wanted: 1 }),
            },
            Seat::Excess => return Err(NoRoom { arrival, wanted: 0 }),
        }
        let entry = Entry::new(arrival.key, home.hash, arrival.value, arrival.expiry);
        shard.store(entry, arrival.standing);
        Ok(Outcome::Added)
    }

    /// Evicts, a few from each shard in turn, until there are `wanted` free seats or nothing more to evict.
    fn make_room(&self, store: &Store<V>, wanted: usize, now: i64, evicted: &mut SmallVec<[V; 1]>) {
        let shards = store.shards();
        let mut fruitless = 0;
        while fruitless < shards.len() {
            let most = self.seats.over(wanted).min(EVICTED_AT_ONCE);
            if most == 0 || evicted.try_reserve(most).is_err() {
                return;
            }
            let next = self.last_asked.fetch_add(1, Relaxed) & (shards.len() - 1);
            let before = evicted.len();
            if let Some(mut shard) = shards[next].lock() {
                while evicted.len() < before + most
                    && !shard.is_empty()
                    && self.seats.give_back_if_over(wanted)
                {
                    evicted.extend(shard.evict_one(now));
                }
            }
            fruitless = if evicted.len() == before {
                fruitless + 1
            } else {
                0
            };
        }
    }

    /// The session of this key, expired or not; a use, which makes it stay longer.
    pub fn get(&self, key: &Key) -> Option<V> {
        let Some(store) = self.store.get() else {
            self.misses_before.fetch_add(1, Relaxed);
            return None;
        };
        let home = store.home(key);
        let mut shard = home.shard.lock()?;
        shard.get(home.hash, key)
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
            self.seats.give_back(1);
            Some((shard.take(at), shard.give_back_memory()))
        })??;
        drop(spent);
        Some(gone)
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
        let home = self.store.get()?.home(key);
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
        for shard in self.store.get().map_or(&[][..], Store::shards) {
            sum.add(&shard.hold().counters);
        }
        sum
    }

    /// Holds the whole cache still until the result is dropped, by the same thread: for the time of a fork, so that the child
    /// gets every lock free and every structure whole. The thread must not call this cache meanwhile.
    pub fn hold(&self) -> Held<'_, V> {
        let making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let shards = self.store.get().map_or(&[][..], Store::shards);
        Held {
            _shards: shards.iter().map(Locked::hold).collect(),
            _making: making,
        }
    }

    /// Recounts everything while nothing moves, and panics where two counts differ.
    #[cfg(any(test, fuzzing))]
    pub fn validate(&self) {
        let _making = self.making.lock();
        let shards = self.store.get().map_or(&[][..], Store::shards);
        let held: Vec<_> = shards.iter().map(Locked::hold).collect();
        let cached: usize = held.iter().map(|shard| shard.validate()).sum();
        assert_eq!(cached, self.seats.taken(), "entries and seats taken");
    }

    fn store_or_make(&self) -> Option<&Store<V>> {
        if self.store.get().is_none() {
            // Nothing is left half done under this lock, so a panic there means nothing.
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if self.store.get().is_none() {
                let store = Store::new(self.capacity(), self.shards_wanted)?;
                // Cannot be set already: only here, and under the lock.
                let _ = self.store.set(store);
            }
        }
        self.store.get()
    }
}

/// A session on its way in.
struct Arrival<V> {
    key: Key,
    value: V,
    expiry: Expiry,
    standing: Standing,
    now: i64,
}

/// The session that could not be placed, and the free seats it takes to try again.
struct NoRoom<V> {
    arrival: Arrival<V>,
    wanted: usize,
}

/// Every lock of a cache; see `Cache::hold`. The shards' are taken in order, after the one under which shards are made.
pub struct Held<'a, V> {
    _shards: SmallVec<[MutexGuard<'a, Shard<V>>; 16]>,
    _making: MutexGuard<'a, ()>,
}
