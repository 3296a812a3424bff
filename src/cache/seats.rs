//! The bound: how many sessions the cache holds, and how many it may.
//!
//! One number for all shards, so that N means N however the keys fall. A seat is taken or given back only under the
//! lock of the shard in which the entry comes or goes, so under that lock its entries and its seats agree. A shard that
//! a fork loses keeps its seats in the child: the bound there is the lower by as many.
//!
//! Relaxed throughout: the number guards nothing but itself. That two inserts cannot take one seat follows from each
//! being one atomic step on it; the entries themselves are published by the shards' locks.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub(super) struct Seats {
    taken: AtomicUsize,
    /// 0: as many as memory holds.
    capacity: AtomicUsize,
}

/// What became of asking for a seat.
pub(super) enum Seat {
    /// The caller has one and fills it, or gives it back, under the same lock.
    Taken,
    /// Exactly as many are taken as there are: one may be handed on.
    Full,
    /// More are taken than there are, because the capacity was lowered.
    Excess,
}

impl Seats {
    pub(super) const fn new(capacity: usize) -> Self {
        Seats {
            taken: AtomicUsize::new(0),
            capacity: AtomicUsize::new(capacity),
        }
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity.load(Relaxed)
    }

    pub(super) fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity, Relaxed);
    }

    fn limit(&self) -> usize {
        match self.capacity() {
            0 => usize::MAX,
            capacity => capacity,
        }
    }

    pub(super) fn take(&self) -> Seat {
        let limit = self.limit();
        let taken = self
            .taken
            .fetch_update(Relaxed, Relaxed, |taken| (taken < limit).then(|| taken + 1));
        match taken {
            Ok(_) => Seat::Taken,
            Err(taken) if taken == limit => Seat::Full,
            Err(_) => Seat::Excess,
        }
    }

    pub(super) fn give_back(&self, seats: usize) {
        self.taken.fetch_sub(seats, Relaxed);
    }

    /// How many have to leave before `wanted` seats are free; with 0, before no more are taken than there are.
    pub(super) fn over(&self, wanted: usize) -> usize {
        self.taken().saturating_sub(self.limit() - wanted)
    }

    /// Gives one seat back if it takes that to have `wanted` free; the caller evicts an entry under the same lock.
    pub(super) fn give_back_if_over(&self, wanted: usize) -> bool {
        let most = self.limit() - wanted;
        self.taken
            .fetch_update(Relaxed, Relaxed, |taken| (taken > most).then(|| taken - 1))
            .is_ok()
    }
}
