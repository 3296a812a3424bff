//! The table of partitions: which entry belongs to which partition, when it was last used, and over how many shards its
//! records are spread.
//!
//! The table is open-addressed and is only searched and filled; an entry that is given to another partition keeps its
//! place in the search order. An entry changes hands only while none of its slots is taken, and none can be taken
//! meanwhile. Where all entries have records, one whose records have all expired, or that was not used for [`IDLE`]
//! seconds, is retired: it belongs to no partition, its records are removed, and then it can be claimed.
//!
//! Each entry has a generation, which is part of the fingerprint of every record. A flush begins the next generation:
//! what was put before is not found from then on, whether or not it could be removed already.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::cache::Expiry;
use crate::shm::region::capacity::Slots;
use crate::shm::region::id::{NEVER_USED, PartitionId, RETIRED, Term, tag};
use crate::shm::region::layout::{Layout, PARTITION_BYTES, PARTITIONS, header};
use crate::shm::region::memory::Memory;
use crate::sys::atomic::AtomicU64;

/// A partition that was used within so many seconds keeps its entry. Contexts that are all in use would otherwise take
/// entries from each other in turn, and none would keep its records.
const IDLE: i64 = 60;

/// Records for which a partition uses another shard: a choice of who leaves is the better the more there are to choose
/// from.
const RECORDS_A_SHARD: usize = 512;

// Places in an entry.
const LOW: usize = 0;
const HIGH: usize = 8;
const SLOTS: usize = 16;
const CAPACITY: usize = 24;
const LAST_USE: usize = 32;
/// How many shards the partition spreads over, less one.
const SPREAD: usize = 40;
/// The shard that was last asked to make room for others.
const LAST_ASKED: usize = 44;
const GENERATION: usize = 48;
/// No record expires after this second.
const LATEST_EXPIRY: usize = 56;

/// The answer to a claim of an entry for a partition that has none.
pub enum Claimed {
    Had(u32),
    /// This entry belongs to no partition and can be claimed when its records are removed.
    Retired(u32),
    /// All partitions are in use.
    Full,
}

#[derive(Clone, Copy)]
pub struct Partitions<'a> {
    pub memory: &'a Memory,
    pub layout: &'a Layout,
}

impl<'a> Partitions<'a> {
    fn at(&self, entry: u32, byte: usize) -> usize {
        let entry = entry as usize % self.layout.partitions;
        PARTITIONS + entry * PARTITION_BYTES + byte
    }

    fn word(&self, entry: u32, byte: usize) -> &'a AtomicU64 {
        self.memory.u64(self.at(entry, byte))
    }

    /// The numbers of all entries.
    pub fn entries(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.layout.partitions as u32
    }

    pub fn slots(&self, entry: u32) -> Slots<'a> {
        Slots {
            taken: self.word(entry, SLOTS),
            capacity: self.word(entry, CAPACITY),
        }
    }

    fn name(&self, entry: u32) -> u128 {
        // Acquire: pairs with the Release in `set_name`.
        let low = self.word(entry, LOW).load(Acquire);
        u128::from(self.word(entry, HIGH).load(Relaxed)) << 64 | u128::from(low)
    }

    /// A reader that meets a half-changed name takes it for another partition's and finds nothing there: the whole name
    /// is part of every fingerprint.
    fn set_name(&self, entry: u32, name: u128) {
        self.word(entry, HIGH).store((name >> 64) as u64, Relaxed);
        // Release: publishes what was written to the entry before.
        self.word(entry, LOW).store(name as u64, Release);
    }

    pub fn is_of(&self, entry: u32, id: PartitionId) -> bool {
        self.name(entry) == id.number() && !self.slots(entry).is_closed()
    }

    /// An id that no other partition has.
    pub fn fresh_id(&self) -> PartitionId {
        let number = self.memory.u64(header::NEXT_ID).fetch_add(1, Relaxed);
        let salt = self.memory.u64(header::SALT).load(Relaxed);
        PartitionId::named(u128::from(salt) << 64 | u128::from(number))
    }

    fn probes(&self, id: PartitionId) -> impl Iterator<Item = u32> + use<> {
        let partitions = self.layout.partitions as u64;
        let first = id.digest() % partitions;
        (0..partitions).map(move |step| ((first + step) % partitions) as u32)
    }

    pub fn find(&self, id: PartitionId) -> Option<u32> {
        for entry in self.probes(id) {
            match self.name(entry) {
                NEVER_USED => return None,
                name if name == id.number() => return Some(entry),
                _ => {}
            }
        }
        None
    }

    /// Claims an entry for a partition that has none; called under the lock of the table. `clock` is the system's time,
    /// which counts where it is later than the time that callers last told: no caller may have told a time for long.
    pub fn claim(&self, id: PartitionId, capacity: usize, clock: i64) -> Claimed {
        if let Some(found) = self.find(id) {
            return Claimed::Had(found);
        }
        let told = self.memory.u64(header::LATEST).load(Relaxed) as i64;
        let now = told.max(clock);
        let is_useless = |entry| {
            self.slots(entry).taken() == 0
                || now > self.word(entry, LATEST_EXPIRY).load(Relaxed) as i64
        };
        let is_idle = |entry| self.last_use(entry, now).saturating_add(IDLE) <= now;
        let unused = self
            .probes(id)
            .find(|&entry| self.is_unowned(entry) && self.slots(entry).taken() == 0);
        let found = unused
            .or_else(|| self.longest_unused(now, is_useless))
            .or_else(|| self.longest_unused(now, is_idle));
        let Some(entry) = found else {
            return Claimed::Full;
        };
        if !self.slots(entry).close() {
            return Claimed::Retired(self.retire(entry));
        }
        self.begin_generation(entry);
        self.set_capacity(entry, capacity);
        // Later than what earlier partitions have, also where no caller has told the time for long.
        self.word(entry, LAST_USE).store(now as u64, Relaxed);
        self.word(entry, LATEST_EXPIRY)
            .store(i64::MIN as u64, Relaxed);
        self.set_spread(entry, capacity);
        self.set_name(entry, id.number());
        self.slots(entry).open();
        Claimed::Had(entry)
    }

    /// Takes an entry from its partition and returns its number. If another entry is retired and not empty yet, that one
    /// is enough.
    fn retire(&self, entry: u32) -> u32 {
        if let Some(entry) = self.entries().find(|&entry| self.is_unowned(entry)) {
            return entry;
        }
        self.set_name(entry, RETIRED);
        // After the name: a process that puts a record now finds that the entry is not its partition's, or has taken its
        // slot before.
        self.begin_generation(entry);
        entry
    }

    /// The entry that `may` be taken and whose partition was last used longest ago.
    fn longest_unused(&self, now: i64, may: impl Fn(u32) -> bool) -> Option<u32> {
        self.entries()
            .filter(|&entry| may(entry))
            .min_by_key(|&entry| self.last_use(entry, now))
    }

    /// When the partition was last used. A time in the future was told before the clock was set back, and the partition
    /// was not used since.
    fn last_use(&self, entry: u32, now: i64) -> i64 {
        let last = self.word(entry, LAST_USE).load(Relaxed) as i64;
        if last > now { i64::MIN } else { last }
    }

    fn is_unowned(&self, entry: u32) -> bool {
        [NEVER_USED, RETIRED].contains(&self.name(entry))
    }

    /// True if an entry was retired and not claimed since.
    pub fn is_retired(&self, entry: u32) -> bool {
        self.name(entry) == RETIRED
    }

    /// Notes that a process has finished with the partition. If no process uses it from now on, its entry can be claimed.
    pub fn release(&self, entry: u32) {
        self.word(entry, LAST_USE).store(i64::MIN as u64, Relaxed);
    }

    pub fn term(&self, entry: u32, id: PartitionId) -> Term {
        // Acquire: a process that sees a new generation sees what its flush had done before.
        let generation = self.word(entry, GENERATION).load(Acquire);
        Term {
            id,
            entry: entry % self.layout.partitions as u32,
            generation,
        }
    }

    /// The part of the present generation that its records keep.
    pub fn tag(&self, entry: u32) -> u32 {
        tag(self.word(entry, GENERATION).load(Relaxed))
    }

    /// Makes every record that the entry has impossible to find.
    pub fn begin_generation(&self, entry: u32) {
        // AcqRel: pairs with the Acquire in `term`.
        self.word(entry, GENERATION).fetch_add(1, AcqRel);
    }

    pub fn note_expiry(&self, entry: u32, expiry: Expiry) {
        let latest = self.word(entry, LATEST_EXPIRY);
        let mut seen = latest.load(Relaxed);
        while (seen as i64) < expiry.secs() {
            match latest.compare_exchange(seen, expiry.secs() as u64, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// Repairs what a process may have left that died while it held the lock of the table.
    pub fn repair(&self) {
        for entry in self.entries() {
            if self.slots(entry).is_closed() {
                self.set_name(entry, RETIRED);
                self.slots(entry).reopen();
            }
        }
    }

    /// The shards that a partition spreads over: the first one, and how many.
    pub fn spread(&self, entry: u32, id: PartitionId) -> (usize, usize) {
        let first = (id.digest() >> 32) as usize & (self.layout.shards - 1);
        let mask = self.memory.u32(self.at(entry, SPREAD)).load(Relaxed) as usize
            & (self.layout.shards - 1);
        (first, mask + 1)
    }

    fn spread_for(&self, capacity: usize) -> usize {
        match capacity {
            0 => self.layout.shards,
            n => (n / RECORDS_A_SHARD).max(1).min(self.layout.shards),
        }
    }

    fn set_spread(&self, entry: u32, capacity: usize) {
        let mask = (1 << self.spread_for(capacity).ilog2()) - 1;
        self.memory.u32(self.at(entry, SPREAD)).store(mask, Relaxed);
    }

    /// Spreads a partition as its capacity wants, if it has no record; called under the lock of the table.
    pub fn spread_anew(&self, entry: u32) {
        if self.slots(entry).close() {
            self.set_spread(entry, self.capacity(entry));
            self.slots(entry).open();
        }
    }

    /// True if the partition could use at least twice as many shards as it does.
    pub fn is_cramped(&self, entry: u32) -> bool {
        let spread = self.memory.u32(self.at(entry, SPREAD)).load(Relaxed) as usize + 1;
        self.spread_for(self.capacity(entry)) >= 2 * spread
    }

    pub fn capacity(&self, entry: u32) -> usize {
        self.word(entry, CAPACITY).load(Relaxed) as usize
    }

    pub fn set_capacity(&self, entry: u32, capacity: usize) {
        self.word(entry, CAPACITY).store(capacity as u64, Relaxed);
    }

    /// Notes when the partition was used.
    pub fn note_use(&self, entry: u32, now: i64) {
        for word in [self.word(entry, LAST_USE), self.memory.u64(header::LATEST)] {
            if word.load(Relaxed) != now as u64 {
                word.store(now as u64, Relaxed);
            }
        }
    }

    /// The shard, of the partition's own, that is asked next to make room.
    pub fn next_asked(&self, entry: u32) -> usize {
        self.memory
            .u32(self.at(entry, LAST_ASKED))
            .fetch_add(1, Relaxed) as usize
    }
}
