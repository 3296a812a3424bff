//! Inserting a session, and evicting others for it.
//!
//! A new session needs a slot. In a full cache it gets one by a swap within its own shard, under one lock. Only if that
//! shard is empty, or the capacity was lowered, must other shards give up slots first: the insert releases its own lock,
//! takes theirs one at a time, and tries again.

use std::sync::atomic::Ordering::Relaxed;

use super::expiry::Expiry;
use super::history::ClientHistory;
use super::key::Key;
use super::shard::{Met, Shard};
use super::slots::Slot;
use super::store::{Home, Locked, Store};
use super::whole::Cache;

/// How often an insert looks for room that other threads keep taking before it gives up.
const ATTEMPTS_MOST: u32 = 32;
/// Sessions that one shard gives up under one lock while a lowered capacity is being reached.
const EVICTED_AT_ONCE: usize = 16;

/// Sessions that left to make room, in order: nearly always none or one, which takes no memory.
pub struct Evicted<V> {
    first: Option<V>,
    #[allow(clippy::box_collection)]
    // that it is not there, as nearly always, is one word of three
    others: Option<Box<Vec<V>>>,
}

impl<V> Evicted<V> {
    /// None so far.
    pub const fn none() -> Evicted<V> {
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

    /// True if no session left. False also if room was made, and none left after all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_none()
    }

    /// Adds a session. `make_ready` must have returned true before.
    #[inline(always)]
    fn push(&mut self, gone: V) {
        match self.first {
            None => self.first = Some(gone),
            Some(_) => self.push_other(gone),
        }
    }

    #[cold]
    fn push_other(&mut self, gone: V) {
        self.others.get_or_insert_default().push(gone);
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.len())
    }

    /// Calls `look` with each.
    pub fn each(&self, look: impl FnMut(&V)) {
        let others = self.others.iter().flat_map(|others| others.iter());
        self.first.iter().chain(others).for_each(look);
    }

    /// Gives each to `act`.
    #[inline(always)]
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
    /// This very object was cached already. It has the new expiry; nothing else changed.
    AlreadyCached,
    /// The session is cached in place of another object of the same key, which has left.
    Replaced(V),
    /// The session is not cached: there was no memory, or other threads took all room that was made.
    Refused,
}

/// A session that is to be cached.
pub struct Arrival<'a, V> {
    /// Its key.
    pub key: &'a Key,
    /// The session; the cache keeps a clone of it.
    pub value: &'a V,
    /// Its expiry.
    pub expiry: Expiry,
    /// What is known of its client.
    pub history: ClientHistory,
    /// The second of its arrival.
    pub now: i64,
}

/// The answer to a session that found no room: how many slots must be free for another attempt.
struct NoRoom {
    wanted: usize,
}

impl<V: Clone + PartialEq> Cache<V> {
    /// Caches a session. `evicted` must be empty; the sessions that leave for this one are added to it. Those that have expired
    /// when it arrives leave first.
    #[must_use = "the caller decides when to drop the session that was replaced"]
    #[inline(always)]
    pub fn insert(&self, arrival: &Arrival<'_, V>, evicted: &mut Evicted<V>) -> Outcome<V> {
        match self.store_or_make() {
            Some(store) => self.place(store, arrival, evicted),
            None => self.refuse(),
        }
    }

    #[cold]
    fn refuse(&self) -> Outcome<V> {
        self.refused.fetch_add(1, Relaxed);
        Outcome::Refused
    }

    #[inline(always)]
    fn place(
        &self,
        store: &Store<V>,
        arrival: &Arrival<'_, V>,
        evicted: &mut Evicted<V>,
    ) -> Outcome<V> {
        let Some(home) = store.home_or_make(arrival.key) else {
            return self.refuse();
        };
        match self.try_place(&home, arrival, evicted) {
            Ok(outcome) => outcome,
            Err(no_room) => {
                // Copies, so that what is asked for by reference here need not be in memory on the usual way.
                let (home, arrival) = (Home { ..home }, Arrival { ..*arrival });
                self.place_again(store, &home, &arrival, evicted, no_room)
            }
        }
    }

    /// Makes room and tries again.
    #[cold]
    #[inline(never)]
    fn place_again(
        &self,
        store: &Store<V>,
        home: &Home<'_, V>,
        arrival: &Arrival<'_, V>,
        evicted: &mut Evicted<V>,
        mut no_room: NoRoom,
    ) -> Outcome<V> {
        for _ in 1..ATTEMPTS_MOST {
            self.make_room(store, no_room.wanted, arrival.now, evicted);
            // Here and not when it is needed: under the lock there must be room for the session that is evicted.
            if !evicted.make_ready(1) {
                break;
            }
            match self.try_place(home, arrival, evicted) {
                Ok(outcome) => return outcome,
                Err(still) => no_room = still,
            }
        }
        self.refuse()
    }

    /// One attempt under the lock of the key's shard. `evicted` has room for one more.
    #[inline(always)]
    fn try_place(
        &self,
        home: &Home<'_, V>,
        arrival: &Arrival<'_, V>,
        evicted: &mut Evicted<V>,
    ) -> Result<Outcome<V>, NoRoom> {
        let Some(mut held) = home.shard.hold() else {
            return Ok(self.refuse());
        };
        let result = self.try_put(held.value(), home.hash, arrival, evicted);
        held.release();
        result
    }

    #[inline(always)]
    fn try_put(
        &self,
        shard: &mut Shard<V>,
        hash: u32,
        arrival: &Arrival<'_, V>,
        evicted: &mut Evicted<V>,
    ) -> Result<Outcome<V>, NoRoom> {
        match shard.meet(hash, arrival.key, arrival.value, arrival.expiry) {
            Met::Nobody => {}
            Met::Itself => return Ok(Outcome::AlreadyCached),
            Met::Another(_) if self.slots.over(0) > 0 => return Err(NoRoom { wanted: 0 }),
            Met::Another(at) => {
                let value = arrival.value.clone();
                let replaced = shard.replace(at, value, arrival.expiry, arrival.history);
                return Ok(Outcome::Replaced(replaced));
            }
        }
        match self.slots.take() {
            Slot::Taken if shard.make_ready() => {}
            Slot::Taken => {
                self.slots.release(1);
                return Ok(self.refuse());
            }
            // A swap within the shard: the slot passes from one session to the other and is never free.
            Slot::Full => match shard.evict_one(arrival.now) {
                Some(gone) => evicted.push(gone),
                None => return Err(NoRoom { wanted: 1 }),
            },
            Slot::Excess => return Err(NoRoom { wanted: 0 }),
        }
        shard.store(
            (hash, arrival.key),
            arrival.value.clone(),
            arrival.expiry,
            arrival.history,
        );
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
