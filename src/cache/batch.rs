//! A batch of values that leave a shard, or are copied from it, under one lock.

use smallvec::SmallVec;

/// The most values in a batch. It is small because a thread may be suspended while it holds a lock: the shorter it holds
/// the lock, the rarer that is.
pub const BATCH: usize = 16;

/// A batch, on the caller's stack: a walk needs no memory of its own.
pub type Batch<V> = SmallVec<[V; BATCH]>;

/// The positions of as many entries.
pub(super) type Positions = SmallVec<[u32; BATCH]>;
