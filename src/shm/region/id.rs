//! Identity of a partition, and of the time between two of its flushes.

use crate::shm::mix::mix;

/// Identifies the contexts that share one partition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PartitionId(u128);

/// An entry of the table with this id was never used: a search ends here.
pub const NEVER_USED: u128 = 0;
/// An entry with this id belonged to a partition that has given it up.
pub const RETIRED: u128 = u128::MAX;

impl PartitionId {
    /// The id of a group, from a digest of what its members have in common.
    pub const fn named(digest: u128) -> PartitionId {
        match digest {
            NEVER_USED => PartitionId(1),
            RETIRED => PartitionId(RETIRED - 1),
            digest => PartitionId(digest),
        }
    }

    /// The id as two numbers, the lower half first.
    pub fn words(self) -> (u64, u64) {
        (self.0 as u64, (self.0 >> 64) as u64)
    }

    pub(in crate::shm) fn number(self) -> u128 {
        self.0
    }

    pub(in crate::shm) fn digest(self) -> u64 {
        let (low, high) = self.words();
        mix(low ^ mix(high))
    }
}

/// A partition in its entry of the table, between two flushes. A record is put for one term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Term {
    pub id: PartitionId,
    pub entry: u32,
    pub generation: u64,
}

impl Term {
    /// The part of a fingerprint that stands for the term. It contains the entry's number because each entry counts its
    /// generations separately.
    pub fn words(self) -> [u64; 3] {
        let (low, high) = self.id.words();
        [low, high, self.generation << 10 | u64::from(self.entry)]
    }

    /// The part of the generation that a record keeps.
    pub fn tag(self) -> u32 {
        tag(self.generation)
    }
}

/// Bits of a generation that a record keeps.
pub const TAG_BITS: u32 = 3;

/// The part of a generation that its records keep, by which a sweep recognises records of earlier generations. A record
/// that is eight generations old passes for a current one; look-ups do not find it either, and it leaves on expiry.
pub fn tag(generation: u64) -> u32 {
    generation as u32 & ((1 << TAG_BITS) - 1)
}
