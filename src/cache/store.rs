//! The shards of a cache, their locks, and which shard a key lives in.
//!
//! **Locks** are the library's own, which survive a fork: a shard whose lock another thread held at that moment is lost
//! to the child. Its seats stay taken there. Nobody ever holds two locks of one cache.
//!
//! **A panic under a lock** (a bug of ours, or a `clone` that panics) closes the shard: from then on it finds nothing
//! and accepts nothing, which a server sees as full handshakes; what it holds is freed with the cache. Going on would
//! mean trusting links that may be half made, and a chain that runs in a circle never lets the lock go.
//!
//! **The hash** is over the whole key and random for each process; `hash` says what it promises.

use std::hint;
use std::sync::MutexGuard;

use once_cell::race::OnceBox;

use super::hash::Hash;
use super::key::Key;
use super::shard::Shard;
use crate::sys::lock::Lock;

/// Shards beyond this spread nothing more.
const SHARDS_MOST: usize = 1024;
/// A shard chooses its victim among its own; with fewer than this it would choose badly.
const CAPACITY_PER_SHARD: usize = 256;

pub(super) struct Store<V> {
    hash: &'static Hash,
    /// A power of two of places. Each shard is made for its first session: many contexts cache one or two.
    shards: Vec<OnceBox<Locked<V>>>,
}

/// A shard behind its lock, on cache lines of its own.
#[repr(align(64))]
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
        shards.resize_with(count, OnceBox::new);
        Some(Store {
            hash: Hash::of_this_process(),
            shards,
        })
    }

    /// The home of a key; None if no session was ever there.
    pub(super) fn home(&self, key: &Key) -> Option<Home<'_, V>> {
        let (place, hash) = self.place(key);
        let shard = place.get()?;
        Some(Home { shard, hash })
    }

    /// The home of a key, for a session that comes; None if there is no memory for it.
    pub(super) fn home_or_make(&self, key: &Key) -> Option<Home<'_, V>> {
        let (place, hash) = self.place(key);
        let shard = match place.get() {
            Some(shard) => shard,
            None => make_shard(place)?,
        };
        Some(Home { shard, hash })
    }

    fn place(&self, key: &Key) -> (&OnceBox<Locked<V>>, u32) {
        let hash = self.hash.of(key);
        // The upper half chooses the shard and the lower one the bucket, so that each shard sees every bucket.
        let shard = (hash >> 32) as usize & (self.shards.len() - 1);
        (&self.shards[shard], hash as u32)
    }

    /// How many shards there may be.
    pub(super) fn number(&self) -> usize {
        self.shards.len()
    }

    /// A shard by its number, if it was made.
    pub(super) fn shard(&self, number: usize) -> Option<&Locked<V>> {
        self.shards.get(number)?.get()
    }

    /// The shards that were made.
    pub(super) fn shards(&self) -> impl Iterator<Item = &Locked<V>> {
        self.shards.iter().filter_map(OnceBox::get)
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.shards)
            + self.shards().map(size_of_val).sum::<usize>()
    }
}

/// Of threads that arrive together each makes one, and one is kept: a lock would outlive a fork.
#[cold]
fn make_shard<V: Clone + PartialEq>(place: &OnceBox<Locked<V>>) -> Option<&Locked<V>> {
    // Where Box::new finds no memory it ends the process; a Vec can be asked.
    let mut room = Vec::<Locked<V>>::new();
    room.try_reserve_exact(1).ok()?;
    drop(hint::black_box(room));
    Some(place.get_or_init(|| Box::new(Locked(Lock::new(Shard::new())))))
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
