//! Memory that processes share: bytes in, bytes out.
//!
//! A [`Region`] is one piece of shared memory, used at the same time by all processes of a tree or, as a file, by
//! unrelated ones. It holds records of many [`Partition`]s, each with its [`PartitionId`]. It knows no session: a record is
//! bytes under a key, with an expiry and a mark of 32 bits that the caller chooses and can ask for.
//!
//! * **Bounds.** A partition never has more records than its capacity, in all processes together; all partitions together
//!   never take more than the region. The record that leaves is chosen as in the cache, within the partition; where bytes
//!   are short, a partition that has more than its share of the shard gives up one of its own.
//! * **Cost.** Every call works under the lock of one shard, for less than a microsecond, and is O(1); a flush works in
//!   slices. A look-up that finds its record takes no lock: its copy is whole by the checksum, or it looks again under the
//!   lock. Beside its own bytes a record takes 48 of header, 6 of index, and what rounding and gaps come to.
//! * **Removals** and flushes are final when they return, whether or not a lock was had: a flush begins a new generation of
//!   the partition, and a removal is noted for the next holder of the lock.
//! * **Crashes.** A process may be killed at any instruction. Another one takes its lock over and rebuilds the shard from
//!   the blocks that can be walked and agree with their checksum: at most the record that was being written is lost. Slots
//!   of the dead are recounted within a tenth of a second of the next put. A stopped process costs each of the others 5 ms
//!   at most; after that, calls that need its lock miss at once.
//! * **Trust.** No place, length or link from the memory is used unchecked, no walk is unbounded, and no body is believed
//!   without its checksum. A contradiction costs records: a miss and a counter.
//! * **Secrets.** Records that left are overwritten, and the region is kept out of core dumps. The caller wipes its copies.
//! * **fork.** Nothing is done before or after one. A child looks up anew the identity by which it holds locks.
//!
//! The folders and files, each of which knows only those above it in this list:
//!
//! * `mix`: a step of hashes and digests.
//! * `region`: the bytes, their layout, the table of partitions, and regions in files.
//! * `process`: the identity of a process, the lock that survives its holder, and elections.
//! * `stats`: what the shards count.
//! * `shard`: heap, index, queues and deferred removals under one lock.
//! * `operations`: the calls, of a region as a whole and of one partition.
//! * `keys`: the key page, and the schedule of ticket keys.

mod keys;
mod mix;
mod operations;
mod process;
mod region;
mod shard;
mod stats;

#[cfg(test)]
mod tests;

pub use keys::codec::KEY_PAGE_BYTES;
pub use keys::page::PAGE_BYTES;
pub use keys::schedule::{FreshKey, KeyName, LONGEST_LIFETIME, Summary, TicketKey, TicketKeys};
#[cfg(fuzzing)]
pub use operations::fuzzed::{Part, looks};
pub use operations::look::Found;
pub use operations::partition::Partition;
pub use operations::whole::Region;
pub use process::election::{Election, Elections, Turn};
pub use region::file::Refusal;
pub use region::id::PartitionId;
pub use region::memory::Memory;
pub use stats::Stats;
