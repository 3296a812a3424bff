//! A partition of a region: its entry, its capacity, and the shard that a key belongs to.

use crate::cache::Key;
use crate::shm::operations::claim::Claim;
use crate::shm::operations::whole::Region;
use crate::shm::region::digest::Fingerprint;
use crate::shm::region::id::PartitionId;
use crate::shm::shard::heap::Broken;
use crate::shm::shard::view::Shard;

/// A partition of a region. A call that does not get its lock in time, or finds that a shard contradicts itself, answers
/// as if the record were not there, or `None` where the difference matters.
#[derive(Clone, Copy)]
pub struct Partition<'a> {
    pub(super) region: &'a Region,
    pub(in crate::shm) id: PartitionId,
    /// Where the partition's entry was last seen.
    entry: u32,
    /// For an entry that has to be claimed.
    capacity: usize,
}

/// Not the partition's own entry: that is looked for again.
const UNPLACED: u32 = 0;

impl Region {
    /// The partition with this id. `capacity`, where 0 means no bound by number, counts only if the partition is new here.
    /// `None` if there is no entry for another partition: all have records and are in use. Where a lock is not had in
    /// time, or the entry of an earlier partition has too many records to be removed at once, the partition
    /// [has no entry yet](Partition::is_placed).
    pub fn partition(&self, id: PartitionId, capacity: usize) -> Option<Partition<'_>> {
        if !self.is_on() {
            return None;
        }
        let entry = match self.partitions().find(id) {
            Some(entry) => entry,
            None => match self.claim(id, capacity) {
                Claim::Had(entry) => entry,
                Claim::Full => return None,
                Claim::InVain => UNPLACED,
            },
        };
        Some(Partition {
            region: self,
            id,
            entry,
            capacity,
        })
    }
}

impl Region {
    /// The partition with this id, if it has an entry.
    pub fn partition_if_any(&self, id: PartitionId) -> Option<Partition<'_>> {
        let entry = self.partitions().find(id).filter(|_| self.is_on())?;
        let capacity = self.partitions().capacity(entry);
        Some(Partition {
            region: self,
            id,
            entry,
            capacity,
        })
    }
}

impl<'a> Partition<'a> {
    /// True if the partition has an entry in the table. Without one it has no records; the next put claims one.
    pub fn is_placed(&self) -> bool {
        self.entry_if_on().is_some()
    }

    /// Whether both are the same partition.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// Notes that this process has finished with the partition. If no process uses it from now on, its entry can be
    /// claimed for another.
    pub fn release(&self) {
        if let Some(entry) = self.entry_if_on() {
            self.region.partitions().release(entry);
        }
    }

    /// How many records the partition has, expired ones included.
    pub fn len(&self) -> usize {
        self.entry_if_on()
            .map_or(0, |entry| self.region.partitions().slots(entry).taken())
    }

    /// True if the partition has no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many records the partition may have; 0: as many as fit.
    pub fn capacity(&self) -> usize {
        let entry = self.entry_if_on();
        entry.map_or(self.capacity, |entry| {
            self.region.partitions().capacity(entry)
        })
    }

    /// Changes the capacity, for all processes. Records beyond it leave with the next put. A partition that has records
    /// stays in the shards that it has.
    pub fn set_capacity(&self, capacity: usize) {
        let Some(entry) = self.entry_or_claim() else {
            return;
        };
        let partitions = self.region.partitions();
        partitions.set_capacity(entry, capacity);
        if partitions.is_cramped(entry) && self.is_empty() {
            self.region.spread_anew(entry);
        }
    }

    /// The partition's entry, if it has one; `None` while the region is off.
    pub(super) fn entry_if_on(&self) -> Option<u32> {
        if !self.region.is_on() {
            self.region.count_off();
            return None;
        }
        let partitions = self.region.partitions();
        if partitions.is_of(self.entry, self.id) {
            Some(self.entry)
        } else {
            partitions.find(self.id)
        }
    }

    pub(super) fn entry_or_claim(&self) -> Option<u32> {
        if !self.region.is_on() {
            self.region.count_off();
            return None;
        }
        match self.region.partitions().is_of(self.entry, self.id) {
            true => Some(self.entry),
            false => match self.region.claim(self.id, self.capacity) {
                Claim::Had(entry) => Some(entry),
                Claim::Full | Claim::InVain => None,
            },
        }
    }

    pub(super) fn fingerprint(&self, entry: u32, key: &Key) -> Fingerprint {
        let term = self.region.partitions().term(entry, self.id);
        self.region.digests.fingerprint(term, key)
    }

    /// The number of the shard that a hash belongs to.
    pub(super) fn home(&self, (first, spread): (usize, usize), hash: u32) -> usize {
        (first + (hash as usize & (spread - 1))) & (self.region.layout.shards - 1)
    }

    pub(super) fn home_of(&self, entry: u32, fingerprint: Fingerprint) -> usize {
        let spread = self.region.partitions().spread(entry, self.id);
        self.home(spread, fingerprint.shard())
    }

    /// The numbers of the partition's shards.
    pub(super) fn shards(&self, entry: u32) -> impl Iterator<Item = usize> + use<'a> {
        let (first, spread) = self.region.partitions().spread(entry, self.id);
        let mask = self.region.layout.shards - 1;
        (0..spread).map(move |step| (first + step) & mask)
    }

    /// Runs `act` under the lock of the key's shard.
    pub(in crate::shm) fn at_home<R>(
        &self,
        key: &Key,
        act: impl FnOnce(u32, &Shard<'_>, Fingerprint) -> Result<R, Broken>,
    ) -> Option<R> {
        let entry = self.entry_if_on()?;
        let fingerprint = self.fingerprint(entry, key);
        let number = self.home_of(entry, fingerprint);
        self.region
            .in_shard(number, |shard| act(entry, shard, fingerprint))
    }

    /// As `at_home`; false where the partition has no such record, `None` where that cannot be told.
    pub(super) fn with_record(
        &self,
        key: &Key,
        act: impl FnOnce(&Shard<'_>, Fingerprint) -> Result<Option<bool>, Broken>,
    ) -> Option<bool> {
        let Some(_) = self.entry_if_on() else {
            return self.region.is_on().then_some(false);
        };
        let done = self.at_home(key, |_, shard, fingerprint| act(shard, fingerprint))?;
        Some(done.unwrap_or(false))
    }
}
