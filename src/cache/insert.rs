//! The way in, and who has to leave for it.
//!
//! A newcomer needs a seat. In a full cache it gets one by a swap within its own shard, under one lock. Only where that
//! shard is empty, or the capacity was lowered, must others give up seats first; then its own lock is let go before
//! theirs are taken, one at a time, and the newcomer tries again.

use std::sync::atomic::Ordering::Relaxed;

use super::seats::Seat;
use super::slab::Entry;
use super::store::{Home, Locked, Store};
use super::{Cache, ClientHistory, Expiry, Key};

/// How often an insert looks for room that other threads keep taking before it gives up.
const ATTEMPTS_MOST: u32 = 32;
/// Sessions that one shard gives up under one lock while a lowered capacity is being reached.
const EVICTED_AT_ONCE: usize = 16;

/// What an insert did, and who had to leave for it.
#[must_use = "dropping what left is the caller's decision"]
pub struct Inserted<V> {
    /// What became of the session.
    pub outcome: Outcome<V>,
    /// The sessions that made room.
    pub evicted: Evicted<V>,
}

/// Sessions that made room, in the order in which they left: nearly always none or one, which takes no memory.
pub struct Evicted<V> {
    first: Option<V>,
    others: Option<Vec<V>>,
}

impl<V> Evicted<V> {
    fn none() -> Evicted<V> {
        Evicted {
            first: None,
            others: None,
        }
    }

    /// Whether there is room for so many more; false if memory for it could not be had.
    fn make_ready(&mut self, more: usize) -> bool {
        if more == 1 && self.first.is_none() {
            return true;
        }
        let others = self.others.get_or_insert_default();
        others.try_reserve(more).is_ok()
    }

    /// `make_ready` has said yes.
    fn push(&mut self, gone: V) {
        match &mut self.others {
            Some(others) if self.first.is_some() => others.push(gone),
            _ => self.first = Some(gone),
        }
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, Vec::len)
    }

    /// Looks at each.
    pub fn each(&self, look: impl FnMut(&V)) {
        let others = self.others.iter().flatten();
        self.first.iter().chain(others).for_each(look);
    }

    /// Does something with each.
    #[inline]
    pub fn for_each(self, mut act: impl FnMut(V)) {
        if let Some(first) = self.first {
            act(first);
        }
        if let Some(others) = self.others {
            others.into_iter().for_each(act);
        }
    }
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

/// What a session on its way in comes with.
struct Arrival<'a> {
    key: &'a Key,
    expiry: Expiry,
    standing: ClientHistory,
    now: i64,
}

/// A session that could not be placed, and the free seats it takes to try again.
struct NoRoom<V> {
    value: V,
    wanted: usize,
}

impl<V: Clone + PartialEq> Cache<V> {
    /// Caches a session. `now` is used to prefer expired sessions where one has to leave.
    #[inline]
    pub fn insert(
        &self,
        key: Key,
        value: V,
        expiry: Expiry,
        standing: ClientHistory,
        now: i64,
    ) -> Inserted<V> {
        let arrival = Arrival {
            key: &key,
            expiry,
            standing,
            now,
        };
        let mut evicted = Evicted::none();
        let outcome = match self.store_or_make() {
            Some(store) => self.place(store, &arrival, value, &mut evicted),
            None => Outcome::Refused(value),
        };
        if let Outcome::Refused(_) = outcome {
            self.refused.fetch_add(1, Relaxed);
        }
        Inserted { outcome, evicted }
    }

    fn place(
        &self,
        store: &Store<V>,
        arrival: &Arrival<'_>,
        mut value: V,
        evicted: &mut Evicted<V>,
    ) -> Outcome<V> {
        let Some(home) = store.home_or_make(arrival.key) else {
            return Outcome::Refused(value);
        };
        for _ in 0..ATTEMPTS_MOST {
            // Here and not when it is needed: under the lock there must be room for what is evicted.
            if !evicted.make_ready(1) {
                break;
            }
            match self.try_place(&home, arrival, value, evicted) {
                Ok(outcome) => return outcome,
                Err(no_room) => {
                    value = no_room.value;
                    self.make_room(store, no_room.wanted, arrival.now, evicted);
                }
            }
        }
        Outcome::Refused(value)
    }

    /// One attempt under the lock of the key's shard.
    fn try_place(
        &self,
        home: &Home<'_, V>,
        arrival: &Arrival<'_>,
        value: V,
        evicted: &mut Evicted<V>,
    ) -> Result<Outcome<V>, NoRoom<V>> {
        let Some(mut shard) = home.shard.lock() else {
            return Ok(Outcome::Refused(value));
        };
        if let Some(at) = shard.find(home.hash, arrival.key) {
            if shard.is_same(at, &value) {
                shard.add_again(at, arrival.expiry);
                return Ok(Outcome::AlreadyCached(value));
            }
            if self.seats.over(0) > 0 {
                return Err(NoRoom { value, wanted: 0 });
            }
            let replaced = shard.replace(at, value, arrival.expiry, arrival.standing);
            return Ok(Outcome::Replaced(replaced));
        }
        match self.seats.take() {
            Seat::Taken if shard.make_ready() => {}
            Seat::Taken => {
                self.seats.give_back(1);
                return Ok(Outcome::Refused(value));
            }
            // A swap within the shard: the seat passes from one to the other and is never free.
            Seat::Full => match shard.evict_one(arrival.now) {
                Some(gone) => evicted.push(gone),
                None => return Err(NoRoom { value, wanted: 1 }),
            },
            Seat::Excess => return Err(NoRoom { value, wanted: 0 }),
        }
        let entry = Entry::new(arrival.key, value);
        shard.store(entry, arrival.expiry, home.hash, arrival.standing);
        Ok(Outcome::Added)
    }

    /// Evicts, a few from each shard in turn, until there are `wanted` free seats or nothing more to evict.
    #[cold]
    fn make_room(&self, store: &Store<V>, wanted: usize, now: i64, evicted: &mut Evicted<V>) {
        let shards = store.number();
        let mut fruitless = 0;
        while fruitless < shards {
            let most = self.seats.over(wanted).min(EVICTED_AT_ONCE);
            if most == 0 || !evicted.make_ready(most) {
                return;
            }
            let next = self.last_asked.fetch_add(1, Relaxed) & (shards - 1);
            let before = evicted.len();
            let mut spent = None;
            if let Some(mut shard) = store.shard(next).and_then(Locked::lock) {
                while evicted.len() < before + most
                    && !shard.is_empty()
                    && self.seats.give_back_if_over(wanted)
                {
                    if let Some(gone) = shard.evict_one(now) {
                        evicted.push(gone);
                    }
                }
                spent = shard.give_back_memory();
            }
            drop(spent);
            fruitless = if evicted.len() == before {
                fruitless + 1
            } else {
                0
            };
        }
    }
}
