//! The realms of a region: who they are, how many records each has, and how many it may have.
//!
//! One number for all shards, so that N means N in all processes together. A seat is taken before its record is
//! published and given back after its record is gone, both under the lock of the record's shard: whoever is killed in
//! between leaves a seat without a record, never a record without a seat. Such a seat is found again by counting, with all
//! locks held (`Region::recount`).
//!
//! Slots are an open-addressed table that is only searched and filled; a slot that is given to another realm keeps its
//! place. A slot changes hands only while it has no seat, and nobody can take one meanwhile. Where all slots have
//! records, one whose realm has only expired ones, or was not used for [`IDLE`] seconds, is retired: it becomes nobody's,
//! its records are removed (`Region::drain`), and then it is to be had.
//!
//! Each slot has a generation, which is part of the fingerprint of every record. A flush begins the next one: what was
//! put before is not found from then on, whether or not it could be removed already.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::cache::Expiry;
use crate::shm::region::digest::mix;
use crate::shm::region::layout::{Layout, REALM_BYTES, REALMS, header};
use crate::shm::region::memory::Memory;
use crate::shm::shard::record::TAG_BITS;

/// Those contexts that share sessions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PartitionId(u128);

/// Nobody's, and never was anybody's: here a search ends.
const NOBODY: u128 = 0;
/// Nobody's any more.
const FORMER: u128 = u128::MAX;

/// A realm that was used within so many seconds keeps its records, whoever wants its slot: contexts that are all in use
/// would otherwise take it from each other in turn, and none would have anything.
const IDLE: i64 = 60;

impl PartitionId {
    /// The realm of a group, by a digest of what its members have in common.
    pub const fn named(digest: u128) -> PartitionId {
        match digest {
            NOBODY => PartitionId(1),
            FORMER => PartitionId(FORMER - 1),
            digest => PartitionId(digest),
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

/// What a record is put for: a realm in its slot, between two flushes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Term {
    pub realm: PartitionId,
    pub slot: u32,
    generation: u64,
}

impl Term {
    /// What becomes part of a fingerprint. The slot is in it because each slot counts its generations on its own.
    pub fn words(self) -> [u64; 3] {
        let (low, high) = self.realm.words();
        [low, high, self.generation << 10 | u64::from(self.slot)]
    }

    /// What a record keeps of its generation: by it those of earlier ones are told apart when they are swept up. One of
    /// eight generations ago passes for a new one, is not found either, and leaves when it expires.
    pub fn tag(self) -> u32 {
        tag(self.generation)
    }
}

fn tag(generation: u64) -> u32 {
    generation as u32 & ((1 << TAG_BITS) - 1)
}

/// What became of asking for a slot for a realm that has none.
pub enum Claimed {
    Had(u32),
    /// This one is nobody's, and to be had when its records are removed.
    Retired(u32),
    /// All realms are in use.
    Full,
}

/// What became of asking for a seat.
#[derive(PartialEq, Eq, Debug)]
pub enum Seat {
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
const GENERATION: usize = 48;
/// No record expires after this second.
const LATEST_EXPIRY: usize = 56;

/// Records for which a realm uses another shard: a choice of who leaves is the better the more there are to choose from.
const RECORDS_A_SHARD: usize = 512;

#[derive(Clone, Copy)]
pub struct Partitions<'a> {
    pub memory: &'a Memory,
    pub layout: &'a Layout,
}

impl<'a> Partitions<'a> {
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

    pub fn is_of(&self, slot: u32, realm: PartitionId) -> bool {
        self.id(slot) == realm.0 && self.word(slot, SEATS).load(Relaxed) & CLOSED == 0
    }

    /// A realm that nobody else has.
    pub fn fresh(&self) -> PartitionId {
        let number = self.memory.u64(header::NEXT_REALM).fetch_add(1, Relaxed);
        let salt = self.memory.u64(header::REALM_SALT).load(Relaxed);
        PartitionId::named(u128::from(salt) << 64 | u128::from(number))
    }

    fn probes(&self, realm: PartitionId) -> impl Iterator<Item = u32> + use<> {
        let realms = self.layout.realms as u64;
        let first = realm.hash() % realms;
        (0..realms).map(move |step| ((first + step) % realms) as u32)
    }

    pub fn find(&self, realm: PartitionId) -> Option<u32> {
        for slot in self.probes(realm) {
            match self.id(slot) {
                NOBODY => return None,
                id if id == realm.0 => return Some(slot),
                _ => {}
            }
        }
        None
    }

    /// A slot for a realm that has none. Under the lock of the realms. `clock` is the system's, which counts where it is
    /// later than what was last told: nobody may have told anything for long.
    pub fn claim(&self, realm: PartitionId, capacity: usize, clock: i64) -> Claimed {
        if let Some(found) = self.find(realm) {
            return Claimed::Had(found);
        }
        let told = self.memory.u64(header::LATEST).load(Relaxed) as i64;
        let now = told.max(clock);
        let is_useless = |slot| {
            self.taken(slot) == 0 || now > self.word(slot, LATEST_EXPIRY).load(Relaxed) as i64
        };
        let is_idle = |slot| self.last_use(slot, now).saturating_add(IDLE) <= now;
        let unused = self
            .probes(realm)
            .find(|&slot| self.is_nobodys(slot) && self.taken(slot) == 0);
        let found = unused
            .or_else(|| self.longest_unused(now, is_useless))
            .or_else(|| self.longest_unused(now, is_idle));
        let Some(slot) = found else {
            return Claimed::Full;
        };
        if !self.close(slot) {
            return Claimed::Retired(self.retire(slot));
        }
        self.begin_generation(slot);
        self.word(slot, CAPACITY).store(capacity as u64, Relaxed);
        // Later than what those of before have, also where nobody has told the time for long.
        self.word(slot, LAST_USE).store(now as u64, Relaxed);
        self.word(slot, LATEST_EXPIRY)
            .store(i64::MIN as u64, Relaxed);
        self.set_spread(slot, capacity);
        self.name(slot, realm.0);
        self.open(slot);
        Claimed::Had(slot)
    }

    /// Makes a slot nobody's; which one: if there is one already that is not empty yet, that is enough.
    fn retire(&self, slot: u32) -> u32 {
        let mut slots = 0..self.layout.realms as u32;
        if let Some(slot) = slots.find(|&slot| self.is_nobodys(slot)) {
            return slot;
        }
        self.name(slot, FORMER);
        // After the name: whoever puts a record now finds that the slot is not its realm's, or has taken its seat before.
        self.begin_generation(slot);
        slot
    }

    /// Of those slots that `may` be taken, the one whose realm was last used longest ago.
    fn longest_unused(&self, now: i64, may: impl Fn(u32) -> bool) -> Option<u32> {
        (0..self.layout.realms as u32)
            .filter(|&slot| may(slot))
            .min_by_key(|&slot| self.last_use(slot, now))
    }

    /// When the realm was last used; a time to come was told before the clock was set back, and nobody came since.
    fn last_use(&self, slot: u32, now: i64) -> i64 {
        let last = self.word(slot, LAST_USE).load(Relaxed) as i64;
        if last > now { i64::MIN } else { last }
    }

    fn is_nobodys(&self, slot: u32) -> bool {
        [NOBODY, FORMER].contains(&self.id(slot))
    }

    /// Whether a slot was retired, and is not had by another realm yet.
    pub fn is_retired(&self, slot: u32) -> bool {
        self.id(slot) == FORMER
    }

    /// Says that a process is done with the realm: if none of the others uses it from now on, its slot may be had.
    pub fn release(&self, slot: u32) {
        self.word(slot, LAST_USE).store(i64::MIN as u64, Relaxed);
    }

    pub fn term(&self, slot: u32, realm: PartitionId) -> Term {
        // Acquire: whoever sees a new generation sees what its flush had done before.
        let generation = self.word(slot, GENERATION).load(Acquire);
        Term {
            realm,
            slot: slot % self.layout.realms as u32,
            generation,
        }
    }

    /// What records of the present generation keep of it.
    pub fn tag(&self, slot: u32) -> u32 {
        tag(self.word(slot, GENERATION).load(Relaxed))
    }

    /// From here on no record that is there is found any more.
    pub fn begin_generation(&self, slot: u32) {
        // AcqRel: pairs with the Acquire in `term`.
        self.word(slot, GENERATION).fetch_add(1, AcqRel);
    }

    pub fn note_expiry(&self, slot: u32, expiry: Expiry) {
        let latest = self.word(slot, LATEST_EXPIRY);
        let mut seen = latest.load(Relaxed);
        while (seen as i64) < expiry.secs() {
            match latest.compare_exchange(seen, expiry.secs() as u64, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
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
    pub fn mend(&self) {
        for slot in 0..self.layout.realms as u32 {
            if self.word(slot, SEATS).load(Relaxed) & CLOSED != 0 {
                self.name(slot, FORMER);
                self.word(slot, SEATS).store(CLOSED, Relaxed); // as `close` leaves it
                self.open(slot);
            }
        }
    }

    /// The shards a realm spreads over: from this one on, so many.
    pub fn spread(&self, slot: u32, realm: PartitionId) -> (usize, usize) {
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
    pub fn spread_anew(&self, slot: u32) {
        if self.close(slot) {
            self.set_spread(slot, self.capacity(slot));
            self.open(slot);
        }
    }

    /// Whether the realm could use more shards than it does.
    pub fn is_cramped(&self, slot: u32) -> bool {
        let spread = self.memory.u32(self.at(slot, SPREAD)).load(Relaxed) as usize + 1;
        self.spread_for(self.capacity(slot)) >= 2 * spread
    }

    pub fn capacity(&self, slot: u32) -> usize {
        self.word(slot, CAPACITY).load(Relaxed) as usize
    }

    pub fn set_capacity(&self, slot: u32, capacity: usize) {
        self.word(slot, CAPACITY).store(capacity as u64, Relaxed);
    }

    /// Notes when the realm was used.
    pub fn note_use(&self, slot: u32, now: i64) {
        for word in [self.word(slot, LAST_USE), self.memory.u64(header::LATEST)] {
            if word.load(Relaxed) != now as u64 {
                word.store(now as u64, Relaxed);
            }
        }
    }

    /// The shard, of the realm's own, that is asked next to make room.
    pub fn next_asked(&self, slot: u32) -> usize {
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

    pub fn taken(&self, slot: u32) -> usize {
        (self.word(slot, SEATS).load(Relaxed) & !CLOSED) as usize
    }

    pub fn take_seat(&self, slot: u32) -> Seat {
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

    pub fn give_back_seat(&self, slot: u32) {
        // Nobody closes a slot that has one; a number that makes no sense is left for the next count.
        let one_less = |taken: u64| (taken & CLOSED == 0).then(|| taken.saturating_sub(1));
        // Release: what was removed is gone before.
        let _ = self
            .word(slot, SEATS)
            .fetch_update(Release, Relaxed, one_less);
    }

    /// How many have to leave before `wanted` seats are free; with 0, before no more are taken than there are.
    pub fn over(&self, slot: u32, wanted: usize) -> usize {
        let most = self.limit(slot).saturating_sub(wanted as u64);
        (self.taken(slot) as u64).saturating_sub(most) as usize
    }

    /// Sets how many seats are taken, after a count.
    pub fn set_taken(&self, slot: u32, taken: u64) {
        let open = |seats: u64| (seats & CLOSED == 0).then_some(taken);
        let _ = self.word(slot, SEATS).fetch_update(Relaxed, Relaxed, open);
    }
}
