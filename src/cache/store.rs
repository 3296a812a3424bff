//! The shards of a cache, their locks, and which shard a key lives in.
//!
//! **Locks** are the library's own, which survive a fork: a shard whose lock another thread held at that moment is lost
//! to the child. Its slots stay taken there. No thread ever holds two locks of one cache.
//!
//! **A panic under a lock** (a bug, or a `clone` that panics) closes the shard: from then on it finds nothing and accepts
//! nothing, which a server sees as full handshakes; its sessions are freed with the cache. To go on would mean to trust
//! links that may be half made, and a circular chain would hold the lock for ever.
//!
//! **The hash** covers the whole key and is random for each process; `hash` describes its properties.

use std::hint;

use once_cell::race::OnceBox;

use super::hash::Hash;
use super::key::Key;
use super::shard::Shard;
use crate::sys::lock::{Guard, Held, Lock};
use crate::sys::reserve::is_short;

/// More shards than this would not spread the calls further.
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

/// The shard that a key belongs to.
pub(super) struct Home<'a, V> {
    pub(super) shard: &'a Locked<V>,
    /// The key's hash within the shard.
    pub(super) hash: u32,
}

impl<V: Clone + PartialEq> Store<V> {
    /// Makes the shards' places; `None` if there is no memory for them.
    pub(super) fn new(capacity: usize, wanted: usize) -> Option<Store<V>> {
        if is_short() {
            return None;
        }
        let count = shards_for(capacity, wanted);
        let mut shards = Vec::new();
        shards.try_reserve_exact(count).ok()?;
        shards.resize_with(count, OnceBox::new);
        Some(Store {
            hash: Hash::of_this_process(),
            shards,
        })
    }

    /// The home of a key; `None` if no session was ever put there.
    #[inline(always)]
    pub(super) fn home(&self, key: &Key) -> Option<Home<'_, V>> {
        let (place, hash) = self.place(key);
        let shard = place.get()?;
        Some(Home { shard, hash })
    }

    /// The home of a key, made if it is missing; `None` if there is no memory for it.
    #[inline(always)]
    pub(super) fn home_or_make(&self, key: &Key) -> Option<Home<'_, V>> {
        let (place, hash) = self.place(key);
        let shard = match place.get() {
            Some(shard) => shard,
            None => make_shard(place)?,
        };
        Some(Home { shard, hash })
    }

    #[inline(always)]
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

/// If several threads arrive at once, each makes a shard, and one is kept: a lock could stay locked over a fork.
#[cold]
fn make_shard<V: Clone + PartialEq>(place: &OnceBox<Locked<V>>) -> Option<&Locked<V>> {
    if is_short() {
        return None;
    }
    // Without memory Box::new would end the process; a Vec reports it.
    let mut room = Vec::<Locked<V>>::new();
    room.try_reserve_exact(1).ok()?;
    drop(hint::black_box(room));
    Some(place.get_or_init(|| Box::new(Locked(Lock::new(Shard::new())))))
}

impl<V> Locked<V> {
    /// The shard, or None if it is closed or lost.
    pub(super) fn lock(&self) -> Option<Guard<'_, Shard<V>>> {
        self.0.lock()
    }

    /// The shard until the caller releases it, or None if it is closed or lost.
    #[inline(always)]
    pub(super) fn hold(&self) -> Option<Held<'_, Shard<V>>> {
        self.0.hold()
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
