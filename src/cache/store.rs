//! The shards of a cache, their locks, and which shard a key lives in.
//!
//! **Locks** are the library's own, which survive a fork: a shard whose lock another thread held at that moment is lost
//! to the child. Its seats stay taken there. Nobody ever holds two locks of one cache.
//!
//! **A panic under a lock** (a bug of ours, or a `clone` that panics) closes the shard: from then on it finds nothing
//! and accepts nothing, which a server sees as full handshakes; what it holds is freed with the cache. Going on would
//! mean trusting links that may be half made, and a chain that runs in a circle never lets the lock go.
//!
//! **The hash** is over the whole key and random for each cache; `hash` says what it promises.

use std::sync::MutexGuard;

use super::hash::Hash;
use super::key::Key;
use super::shard::Shard;
use crate::lock::Lock;

/// Shards beyond this spread nothing more.
const SHARDS_MOST: usize = 1024;
/// A shard chooses its victim among its own; with fewer than this it would choose badly.
const CAPACITY_PER_SHARD: usize = 256;

pub(super) struct Store<V> {
    hash: Hash,
    /// A power of two of them.
    shards: Vec<Locked<V>>,
}

/// A shard behind its lock, on cache lines of its own: 128 bytes, because processors fetch lines in pairs.
#[repr(align(128))]
pub(super) struct Locked<V>(Lock<Shard<V>>);

/// Where a key lives.
pub(super) struct Home<'a, V> {
    pub(super) shard: &'a Locked<V>,
    /// The key's hash within the shard.
    pub(super) hash: u32,
}

impl<V: Clone + PartialEq> Store<V> {
    /// None if there is no memory for it.
    pub(super) fn new(capacity: usize, wanted: usize) -> Option<Store<V>> {
        let count = shards_for(capacity, wanted);
        let mut shards = Vec::new();
        shards.try_reserve_exact(count).ok()?;
        shards.resize_with(count, || Locked(Lock::new(Shard::new())));
        Some(Store {
            hash: Hash::new(),
            shards,
        })
    }

    pub(super) fn home(&self, key: &Key) -> Home<'_, V> {
        let hash = self.hash.of(key);
        // The upper half chooses the shard and the lower one the bucket, so that each shard sees every bucket.
        let shard = (hash >> 32) as usize & (self.shards.len() - 1);
        Home {
            shard: &self.shards[shard],
            hash: hash as u32,
        }
    }

    pub(super) fn shard(&self, number: usize) -> Option<&Locked<V>> {
        self.shards.get(number)
    }

    pub(super) fn shards(&self) -> &[Locked<V>] {
        &self.shards
    }
}

impl<V> Locked<V> {
    /// The shard, or None if it is closed or lost.
    pub(super) fn lock(&self) -> Option<MutexGuard<'_, Shard<V>>> {
        self.0.lock()
    }
}

fn shards_for(capacity: usize, wanted: usize) -> usize {
    let wanted = wanted.clamp(1, SHARDS_MOST).next_power_of_two();
    if capacity == 0 {
        return wanted;
    }
    let useful = (capacity / CAPACITY_PER_SHARD).max(1);
    wanted.min(1 << useful.ilog2())
}
