//! The layout of a region. It follows from the size alone: no address is ever read from the memory itself.
//!
//! ```text
//! 0        header: what region this is, the random numbers of its digests, flags
//! 4096     the key page: a lock, and two copies
//! 12288    partitions: 64 bytes each
//! ...      shards, each: head (lock, sums, lists of free blocks), queues (64 bytes a partition), buckets (6 bytes each),
//!          heap
//! ```

/// Changes with every change of the layout or of its meaning, and of what the records are.
pub const VERSION: u32 = 4;
pub const MAGIC: u64 = u64::from_be_bytes(*b"sslcache");

/// Places in the header; the word at 8 is `memory::NOWHERE`.
pub mod header {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 16;
    /// 1: everything before has been written.
    pub const READY: usize = 20;
    pub const SIZE: usize = 24;
    /// The number of the next fresh partition.
    pub const NEXT_ID: usize = 32;
    /// A random number that is part of the id of each fresh partition of this region.
    pub const SALT: usize = 40;
    /// Not 0 if a process may have died while it held a slot: the slots must be recounted.
    pub const RECOUNT: usize = 52;
    /// The tenth of a second in which a process last tried to recount.
    pub const RECOUNT_TRIED: usize = 56;
    /// The latest second that a caller has told.
    pub const LATEST: usize = 64;
    pub const UNDECODABLE: usize = 72;
    pub const TIME_OUTS: usize = 80;
    /// The boot of the machine in which the region was made; 0: not known.
    pub const BOOT: usize = 120;
    /// The lock of the table of partitions.
    pub const PARTITIONS_LOCK: usize = 128;
    pub const DIGEST_KEYS: usize = 256;
}

pub const PAGE: usize = 4096;
pub const PARTITIONS: usize = 12288;
pub const PARTITION_BYTES: usize = 64;
pub const MOST_PARTITIONS: usize = 1024;

/// A smaller region is of no use, and a larger one does not fit the numbers in a shard.
pub const LEAST_BYTES: usize = 64 << 10;
pub const MOST_BYTES: usize = 4 << 30;
const BYTES_A_PARTITION: usize = 64 << 10;
const BYTES_A_SHARD: usize = 4 << 20;
const MOST_SHARDS: usize = 64;

/// The first granule of a heap that a block may have, so that 0 can mean no block.
pub const FIRST_GRANULE: u32 = 2;

/// Places in a shard.
pub mod shard {
    pub const LOCK: usize = 0;
    /// The granule behind the last block.
    pub const TOP: usize = 64;
    pub const BUCKETS: usize = 68;
    pub const RECORDS: usize = 72;
    /// Granules of the records.
    pub const GRANULES: usize = 76;
    /// The bucket in which the search for a partition that gives up room goes on.
    pub const HAND: usize = 80;
    /// Partitions that have a record here.
    pub const PARTITIONS: usize = 84;
    /// How many removals were deferred, and how many of these had been when they were last carried out.
    pub const DEFERRED: usize = 88;
    pub const CARRIED_OUT: usize = 92;
    pub const COUNTERS: usize = 128;
    /// A bit for each class of free blocks, set if there is one.
    pub const FREE_BITS: usize = 256;
    pub const FREE: usize = 320;
    /// The removals that are deferred.
    pub const REMOVALS: usize = 1408;
    pub const QUEUES: usize = REMOVALS + 8 * super::MOST_REMOVALS;
}
/// Removals that a shard can defer.
pub const MOST_REMOVALS: usize = 64;
pub const QUEUES_BYTES: usize = 64;

/// There is a bucket for so many bytes of heap, which is a record of a short session.
const BYTES_A_BUCKET: usize = 160;
const BUCKET_BYTES: usize = 4;
const LEFT_BYTES: usize = 2;

/// The places and numbers that follow from the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub size: usize,
    pub partitions: usize,
    pub shards: usize,
    first_shard: usize,
    shard_bytes: usize,
    /// From a shard's beginning.
    pub buckets: usize,
    pub most_buckets: u32,
    pub left: usize,
    pub heap: usize,
    /// In granules from the heap's beginning.
    pub end: u32,
}

impl Layout {
    /// The layout of a region of so many bytes, rounded down to whole pages; `None` if they are too few or too many.
    pub fn new(bytes: usize) -> Option<Layout> {
        if !(LEAST_BYTES..=MOST_BYTES).contains(&bytes) {
            return None;
        }
        let size = bytes & !4095;
        let partitions = (size / BYTES_A_PARTITION).clamp(16, MOST_PARTITIONS);
        let shards = 1 << (size / BYTES_A_SHARD).clamp(1, MOST_SHARDS).ilog2();
        let first_shard = (PARTITIONS + partitions * PARTITION_BYTES).next_multiple_of(64);
        let shard_bytes = ((size - first_shard) / shards) & !63;
        let buckets = (shard::QUEUES + partitions * QUEUES_BYTES).next_multiple_of(64);
        let rest = shard_bytes - buckets;
        let most_buckets = rest / (BYTES_A_BUCKET + BUCKET_BYTES + LEFT_BYTES);
        let left = buckets + most_buckets * BUCKET_BYTES;
        let heap = (left + most_buckets * LEFT_BYTES).next_multiple_of(64);
        Some(Layout {
            size,
            partitions,
            shards,
            first_shard,
            shard_bytes,
            buckets,
            most_buckets: most_buckets as u32,
            left,
            heap,
            end: ((shard_bytes - heap) / 8) as u32,
        })
    }

    /// The place at which a shard begins.
    pub fn shard(&self, number: usize) -> usize {
        self.first_shard + (number & (self.shards - 1)) * self.shard_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_one_another_in_regions_of_any_size() {
        for bytes in [
            LEAST_BYTES,
            100_000,
            1 << 20,
            10 << 20,
            64 << 20,
            (1 << 30) + 4097,
            MOST_BYTES,
        ] {
            let layout = Layout::new(bytes).unwrap();
            assert!(layout.size <= bytes && layout.shards.is_power_of_two());
            assert!(layout.first_shard >= PARTITIONS + layout.partitions * PARTITION_BYTES);
            assert!(layout.shard(layout.shards - 1) + layout.shard_bytes <= layout.size);
            assert!(layout.buckets + layout.most_buckets as usize * 4 <= layout.left);
            assert!(layout.left + layout.most_buckets as usize * 2 <= layout.heap);
            assert!(layout.heap + layout.end as usize * 8 <= layout.shard_bytes);
            assert!(layout.end > 1 << 12 && layout.end < 1 << 24);
        }
        assert_eq!(Layout::new(LEAST_BYTES - 1), None);
        assert_eq!(Layout::new(MOST_BYTES + 1), None);
    }
}
