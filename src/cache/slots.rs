//! The bound: how many sessions the cache holds, and how many it may hold.
//!
//! There is one number for all shards, so that N means N however the keys fall. A slot is taken or released only under the
//! lock of the shard in which the entry comes or goes, so under that lock its entries and its slots agree. A shard that a
//! fork loses keeps its slots in the child, whose bound is lower by as many.
//!
//! Relaxed throughout: the number protects nothing but itself. Each change is one atomic step, so two inserts cannot take
//! the same slot; the shards' locks publish the entries.

use std::sync::atomic::Ordering::Relaxed;

use crate::sys::atomic::AtomicUsize;

pub(super) struct Slots {
    taken: AtomicUsize,
    /// 0: as many as memory holds.
    capacity: AtomicUsize,
}

/// The answer to a request for a slot.
pub(super) enum Slot {
    /// The caller has a slot and fills or releases it under the same lock.
    Taken,
    /// Exactly as many slots are taken as there are: the slot of a session that leaves may be reused.
    Full,
    /// More slots are taken than there are, because the capacity was lowered.
    Excess,
}

impl Slots {
    pub(super) const fn new(capacity: usize) -> Self {
        Slots {
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

    pub(super) fn take(&self) -> Slot {
        let limit = self.limit();
        let taken = self
            .taken
            .fetch_update(Relaxed, Relaxed, |taken| (taken < limit).then(|| taken + 1));
        match taken {
            Ok(_) => Slot::Taken,
            Err(taken) if taken == limit => Slot::Full,
            Err(_) => Slot::Excess,
        }
    }

    pub(super) fn release(&self, slots: usize) {
        self.taken.fetch_sub(slots, Relaxed);
    }

    /// How many sessions have to leave before `wanted` slots are free; with 0, before the capacity is kept.
    pub(super) fn over(&self, wanted: usize) -> usize {
        self.taken().saturating_sub(self.limit() - wanted)
    }

    /// Releases one slot if that is necessary to have `wanted` free; the caller evicts an entry under the same lock.
    pub(super) fn release_if_over(&self, wanted: usize) -> bool {
        let most = self.limit() - wanted;
        self.taken
            .fetch_update(Relaxed, Relaxed, |taken| (taken > most).then(|| taken - 1))
            .is_ok()
    }
}
