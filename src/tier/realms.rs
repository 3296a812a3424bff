//! The realms of a region: who they are, how many records each has, and how many it may have.
//!
//! One number for all shards, so that N means N in all processes together. A seat is taken before its record is
//! published and given back after its record is gone, both under the lock of the record's shard: whoever is killed in
//! between leaves a seat without a record, never a record without a seat. Such a seat is found again by counting, with all
//! locks held (`Region::recount`).
//!
//! Slots are an open-addressed table that is only searched and filled; a slot that is given to another realm keeps its
//! place. A slot changes hands only while it has no seat, and nobody can take one meanwhile.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::digest::mix;
use super::layout::{Layout, REALM_BYTES, REALMS, header};
use super::memory::Memory;

/// Those contexts that share sessions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Realm(u128);

/// Nobody's, and never was anybody's: here a search ends.
const NOBODY: u128 = 0;
/// Nobody's any more.
const FORMER: u128 = u128::MAX;

impl Realm {
    /// The realm of a group, by a digest of what its members have in common.
    pub const fn named(digest: u128) -> Realm {
        match digest {
            NOBODY => Realm(1),
            FORMER => Realm(FORMER - 1),
            digest => Realm(digest),
        }
    }

    /// Its number, lower half first.
    pub fn words(self) -> (u64, u64) {
        (self.0 as u64, (self.0 >> 64) as u64)
    }

    fn hash(self) -> u64 {
        let (low, high) = self.words();
        mix(low ^ mix(high))
    }
}

/// What became of asking for a seat.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Seat {
    /// The caller has one, and fills it or gives it back under the same lock.
    Taken,
    /// Exactly as many are taken as there are: one may be handed on.
    Full,
    /// More are taken than there are, because the capacity was lowered.
    Excess,
    /// The slot is changing hands.
    Closed,
}

const CLOSED: u64 = 1 << 63;

// Places in a slot.
const LOW: usize = 0;
const HIGH: usize = 8;
const SEATS: usize = 16;
const CAPACITY: usize = 24;
const LAST_USE: usize = 32;
/// How many shards the realm spreads over, less one.
const SPREAD: usize = 40;
/// The shard that was last asked to make room for others.
const LAST_ASKED: usize = 44;

/// Records for which a realm uses another shard: a choice of who leaves is the better the more there are to choose from.
const RECORDS_A_SHARD: usize = 512;

#[derive(Clone, Copy)]
pub(super) struct Realms<'a> {
    pub memory: &'a Memory,
    pub layout: &'a Layout,
}

impl<'a> Realms<'a> {
    fn at(&self, slot: u32, byte: usize) -> usize {
        let slot = slot as usize % self.layout.realms;
        REALMS + slot * REALM_BYTES + byte
    }

    fn word(&self, slot: u32, byte: usize) -> &'a AtomicU64 {
        self.memory.u64(self.at(slot, byte))
    }

    fn id(&self, slot: u32) -> u128 {
        // Acquire: pairs with the Release in `name`.
        let low = self.word(slot, LOW).load(Acquire);
        u128::from(self.word(slot, HIGH).load(Relaxed)) << 64 | u128::from(low)
    }

    /// A reader that meets a name half changed takes it for another realm's, and finds nothing there: the whole name is
    /// part of every fingerprint.
    fn name(&self, slot: u32, id: u128) {
        self.word(slot, HIGH).store((id >> 64) as u64, Relaxed);
        // Release: publishes what was written of the slot before.
        self.word(slot, LOW).store(id as u64, Release);
    }

    pub(super) fn is_of(&self, slot: u32, realm: Realm) -> bool {
        self.id(slot) == realm.0 && self.word(slot, SEATS).load(Relaxed) & CLOSED == 0
    }

    /// A realm that nobody else has.
    pub(super) fn fresh(&self) -> Realm {
        let number = self.memory.u64(header::NEXT_REALM).fetch_add(1, Relaxed);
        let salt = self.memory.u64(header::REALM_SALT).load(Relaxed);
        Realm::named(u128::from(salt) << 64 | u128::from(number))
    }

    fn probes(&self, realm: Realm) -> impl Iterator<Item = u32> + use<> {
        let realms = self.layout.realms as u64;
        let first = realm.hash() % realms;
        (0..realms).map(move |step| ((first + step) % realms) as u32)
    }

    pub(super) fn find(&self, realm: Realm) -> Option<u32> {
        for slot in self.probes(realm) {
            match self.id(slot) {
                NOBODY => return None,
                id if id == realm.0 => return Some(slot),
                _ => {}
            }
        }
        None
    }

    /// A slot for a realm that has none. Under the lock of the realms.
    pub(super) fn claim(&self, realm: Realm, capacity: usize) -> Option<u32> {
        if let Some(found) = self.find(realm) {
            return Some(found);
        }
        let unused = self
            .probes(realm)
            .find(|&slot| [NOBODY, FORMER].contains(&self.id(slot)));
        let slot = match unused {
            Some(slot) => slot,
            None => self.longest_unused()?,
        };
        if !self.close(slot) {
            return None;
        }
        self.word(slot, CAPACITY).store(capacity as u64, Relaxed);
        self.word(slot, LAST_USE)
            .store(self.memory.u64(header::LATEST).load(Relaxed), Relaxed);
        self.set_spread(slot, capacity);
        self.name(slot, realm.0);
        self.open(slot);
        Some(slot)
    }

    /// Of the slots without a record, the one whose realm was last used longest ago.
    fn longest_unused(&self) -> Option<u32> {
        (0..self.layout.realms as u32)
            .filter(|&slot| self.word(slot, SEATS).load(Relaxed) == 0)
            .min_by_key(|&slot| self.word(slot, LAST_USE).load(Relaxed) as i64)
    }

    /// Keeps everyone from taking a seat; false if there is one taken.
    fn close(&self, slot: u32) -> bool {
        self.word(slot, SEATS)
            .compare_exchange(0, CLOSED, Acquire, Relaxed)
            .is_ok()
    }

    fn open(&self, slot: u32) {
        // Release: publishes whose it is now. Not if somebody else has opened it since.
        let _ = self
            .word(slot, SEATS)
            .compare_exchange(CLOSED, 0, Release, Relaxed);
    }

    /// What one who died while it held the lock of the realms may have left.
    pub(super) fn mend(&self) {
        for slot in 0..self.layout.realms as u32 {
            if self.word(slot, SEATS).load(Relaxed) & CLOSED != 0 {
                self.name(slot, FORMER);
                self.word(slot, SEATS).store(CLOSED, Relaxed); // as `close` leaves it
                self.open(slot);
            }
        }
    }

    /// The shards a realm spreads over: from this one on, so many.
    pub(super) fn spread(&self, slot: u32, realm: Realm) -> (usize, usize) {
        let first = (realm.hash() >> 32) as usize & (self.layout.shards - 1);
        let mask = self.memory.u32(self.at(slot, SPREAD)).load(Relaxed) as usize
            & (self.layout.shards - 1);
        (first, mask + 1)
    }

    fn spread_for(&self, capacity: usize) -> usize {
        match capacity {
            0 => self.layout.shards,
            n => (n / RECORDS_A_SHARD).max(1).min(self.layout.shards),
        }
    }

    fn set_spread(&self, slot: u32, capacity: usize) {
        let mask = (1 << self.spread_for(capacity).ilog2()) - 1;
        self.memory.u32(self.at(slot, SPREAD)).store(mask, Relaxed);
    }

    /// Spreads a realm as its capacity wants it, if it has no record; under the lock of the realms.
    pub(super) fn spread_anew(&self, slot: u32) {
        if self.close(slot) {
            self.set_spread(slot, self.capacity(slot));
            self.open(slot);
        }
    }

    /// Whether the realm could use more shards than it does.
    pub(super) fn is_cramped(&self, slot: u32) -> bool {
        let spread = self.memory.u32(self.at(slot, SPREAD)).load(Relaxed) as usize + 1;
        self.spread_for(self.capacity(slot)) >= 2 * spread
    }

    pub(super) fn capacity(&self, slot: u32) -> usize {
        self.word(slot, CAPACITY).load(Relaxed) as usize
    }

    pub(super) fn set_capacity(&self, slot: u32, capacity: usize) {
        self.word(slot, CAPACITY).store(capacity as u64, Relaxed);
    }

    /// Notes when the realm was used.
    pub(super) fn note_use(&self, slot: u32, now: i64) {
        for word in [self.word(slot, LAST_USE), self.memory.u64(header::LATEST)] {
            if word.load(Relaxed) != now as u64 {
                word.store(now as u64, Relaxed);
            }
        }
    }

    /// The shard, of the realm's own, that is asked next to make room.
    pub(super) fn next_asked(&self, slot: u32) -> usize {
        self.memory
            .u32(self.at(slot, LAST_ASKED))
            .fetch_add(1, Relaxed) as usize
    }

    fn limit(&self, slot: u32) -> u64 {
        match self.capacity(slot) as u64 {
            0 => CLOSED - 1,
            capacity => capacity.min(CLOSED - 1),
        }
    }

    pub(super) fn taken(&self, slot: u32) -> usize {
        (self.word(slot, SEATS).load(Relaxed) & !CLOSED) as usize
    }

    pub(super) fn take_seat(&self, slot: u32) -> Seat {
        let limit = self.limit(slot);
        // Acquire: after it the slot's name and spread are what they are while the seat is held.
        let taken = self
            .word(slot, SEATS)
            .fetch_update(Acquire, Relaxed, |taken| (taken < limit).then(|| taken + 1));
        match taken {
            Ok(_) => Seat::Taken,
            Err(taken) if taken & CLOSED != 0 => Seat::Closed,
            Err(taken) if taken == limit => Seat::Full,
            Err(_) => Seat::Excess,
        }
    }

    pub(super) fn give_back_seat(&self, slot: u32) {
        // Nobody closes a slot that has one; a number that makes no sense is left for the next count.
        let one_less = |taken: u64| (taken & CLOSED == 0).then(|| taken.saturating_sub(1));
        // Release: what was removed is gone before.
        let _ = self
            .word(slot, SEATS)
            .fetch_update(Release, Relaxed, one_less);
    }

    /// How many have to leave before `wanted` seats are free; with 0, before no more are taken than there are.
    pub(super) fn over(&self, slot: u32, wanted: usize) -> usize {
        let most = self.limit(slot).saturating_sub(wanted as u64);
        (self.taken(slot) as u64).saturating_sub(most) as usize
    }

    /// Sets how many seats are taken, after a count.
    pub(super) fn set_taken(&self, slot: u32, taken: u64) {
        let open = |seats: u64| (seats & CLOSED == 0).then_some(taken);
        let _ = self.word(slot, SEATS).fetch_update(Relaxed, Relaxed, open);
    }
}
