//! Inserting a session, and evicting others for it.
//!
//! A new session needs a slot. In a full cache it gets one by a swap within its own shard, under one lock. Only if that
//! shard is empty, or the capacity was lowered, must other shards give up slots first: the insert releases its own lock,
//! takes theirs one at a time, and tries again.

use std::sync::atomic::Ordering::Relaxed;

use super::expiry::Expiry;
use super::history::ClientHistory;
use super::key::Key;
use super::slab::Entry;
use super::slots::Slot;
use super::store::{Home, Locked, Store};
use super::whole::Cache;

/// How often an insert looks for room that other threads keep taking before it gives up.
const ATTEMPTS_MOST: u32 = 32;
/// Sessions that one shard gives up under one lock while a lowered capacity is being reached.
const EVICTED_AT_ONCE: usize = 16;

/// The result of an insert.
#[must_use = "the caller decides when to drop the sessions that left"]
pub struct Inserted<V> {
    /// The result for the session itself.
    pub outcome: Outcome<V>,
    /// The sessions that left to make room.
    pub evicted: Evicted<V>,
}

/// Sessions that left to make room, in order: nearly always none or one, which takes no memory.
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

    /// Makes room for so many more; false if there is no memory for it.
    fn make_ready(&mut self, more: usize) -> bool {
        if more == 1 && self.first.is_none() {
            return true;
        }
        let others = self.others.get_or_insert_default();
        others.try_reserve(more).is_ok()
    }

    /// Adds a session. `make_ready` must have returned true before.
    fn push(&mut self, gone: V) {
        match &mut self.others {
            Some(others) if self.first.is_some() => others.push(gone),
            _ => self.first = Some(gone),
        }
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, Vec::len)
    }

    /// Calls `look` with each.
    pub fn each(&self, look: impl FnMut(&V)) {
        let others = self.others.iter().flatten();
        self.first.iter().chain(others).for_each(look);
    }

    /// Gives each to `act`.
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

/// The result of an insert for the inserted session.
#[derive(Debug)]
pub enum Outcome<V> {
    /// The session is cached.
    Added,
    /// This very object was cached already. It has the new expiry; nothing else changed. The reference passed in is
    /// returned.
    AlreadyCached(V),
    /// The session is cached in place of another object of the same key, which has left.
    Replaced(V),
    /// The session is not cached: there was no memory, or other threads took all room that was made.
    Refused(V),
}

/// The arguments of an insert, without the session.
struct Arrival<'a> {
    key: &'a Key,
    expiry: Expiry,
    history: ClientHistory,
    now: i64,
}

/// A session that could not be placed, and how many slots must be free for another attempt.
struct NoRoom<V> {
    value: V,
    wanted: usize,
}

impl<V: Clone + PartialEq> Cache<V> {
    /// Caches a session. Sessions that have expired at `now` leave before others where one has to leave.
    #[inline(always)]
    pub fn insert(
        &self,
        key: Key,
        value: V,
        expiry: Expiry,
        history: ClientHistory,
        now: i64,
    ) -> Inserted<V> {
        let arrival = Arrival {
            key: &key,
            expiry,
            history,
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
            // Here and not when it is needed: under the lock there must be room for the session that is evicted.
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
            if self.slots.over(0) > 0 {
                return Err(NoRoom { value, wanted: 0 });
            }
            let replaced = shard.replace(at, value, arrival.expiry, arrival.history);
            return Ok(Outcome::Replaced(replaced));
        }
        match self.slots.take() {
            Slot::Taken if shard.make_ready() => {}
            Slot::Taken => {
                self.slots.release(1);
                return Ok(Outcome::Refused(value));
            }
            // A swap within the shard: the slot passes from one session to the other and is never free.
            Slot::Full => match shard.evict_one(arrival.now) {
                Some(gone) => evicted.push(gone),
                None => return Err(NoRoom { value, wanted: 1 }),
            },
            Slot::Excess => return Err(NoRoom { value, wanted: 0 }),
        }
        let entry = Entry::new(arrival.key, value);
        shard.store(entry, arrival.expiry, home.hash, arrival.history);
        Ok(Outcome::Added)
    }

    /// Evicts a few sessions from each shard in turn, until `wanted` slots are free or no session is left.
    #[cold]
    fn make_room(&self, store: &Store<V>, wanted: usize, now: i64, evicted: &mut Evicted<V>) {
        let shards = store.number();
        let mut fruitless = 0;
        while fruitless < shards {
            let most = self.slots.over(wanted).min(EVICTED_AT_ONCE);
            if most == 0 || !evicted.make_ready(most) {
                return;
            }
            let next = self.last_asked.fetch_add(1, Relaxed) & (shards - 1);
            let before = evicted.len();
            let mut spent = None;
            if let Some(mut shard) = store.shard(next).and_then(Locked::lock) {
                while evicted.len() < before + most
                    && !shard.is_empty()
                    && self.slots.release_if_over(wanted)
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
