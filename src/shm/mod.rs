//! Second homes of a session: bytes in, bytes out.
//!
//! A [`Region`] is one piece of shared memory, used at the same time by all processes of a tree or, as a file, by
//! unrelated ones. It holds records of many [`PartitionId`]s; a [`Partition`] is what one partition sees of it. It knows no session: a
//! record is bytes under a key, with an expiry and a mark of 32 bits that the caller gives and can ask for.
//!
//! * **Bounds.** A partition never has more records than its capacity, in all processes together; all partitions together never
//!   take more than the region. Who leaves is chosen as in the cache, within the partition; where it is bytes that are
//!   wanting, the partition that has its share of the shard gives up its own.
//! * **Cost.** Every call works under the lock of one shard, for less than a microsecond, and is O(1); flush works in
//!   slices. A look-up that finds its record takes no lock: what it has copied is whole by the checksum, or it looks
//!   again under the lock. Beside its own bytes a record takes 48 of header, 6 of index, and what rounding and gaps come to.
//! * **Removals** and flushes hold from when they return, whether or not a lock was had: a flush begins a new generation of
//!   the partition, a removal is noted for whoever has the lock next.
//! * **Crashes.** A process may be killed at any instruction. Its lock is taken over, and the shard made anew from
//!   what can be walked and agrees with its checksum: at most the record under its hands is lost. Slots of the dead are
//!   counted back within a tenth of a second of the next put. One that is stopped costs each of the others 5 ms at most;
//!   after that calls that need its lock miss at once.
//! * **Trust.** No place, length or link that comes from the memory is used unchecked, no walk is without bound, and no
//!   body is believed without its checksum. Nonsense costs records: a miss and a counter.
//! * **Secrets.** What left is overwritten, and the region is kept out of core dumps. Copies are the caller's to wipe.
//! * **fork.** Nothing is done before or after one. The identity by which a lock is held is looked up anew in a child.
//!
//! The rooms, each of which knows only those above it in this list:
//!
//! * `region`: the bytes, their layout, the table of partitions, and regions in files.
//! * `process`: identity of a process, the lock that survives its holder, and elections.
//! * `shard`: heap, index, queues and deferred removals under one lock.
//! * `operations`: the calls, of a region as a whole and of one partition.
//! * `keys`: the page for ticket keys.

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
pub use keys::schedule::{FreshKey, KeyName, LONGEST_LIFETIME, TicketKey, TicketKeys};
pub use operations::look::Found;
pub use operations::partition::Partition;
pub use operations::whole::Region;
pub use process::election::{Election, Elections, Turn};
pub use region::file::Refusal;
pub use region::id::PartitionId;
pub use stats::Stats;
