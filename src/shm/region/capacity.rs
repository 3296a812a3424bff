//! The bound of a partition: how many slots it has, and how many of them are taken.
//!
//! There is one number for all shards, so that a capacity of N means N in all processes together. A slot is taken before
//! its record is published and released after its record is gone, both under the lock of the record's shard. A process
//! that is killed in between leaves a slot without a record, never a record without a slot. Recounting with all locks
//! held finds such a slot.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::sys::atomic::AtomicU64;

/// Set while an entry changes hands: no slot can be taken.
const CLOSED: u64 = 1 << 63;

/// The slots of one partition.
pub struct Slots<'a> {
    pub taken: &'a AtomicU64,
    /// 0: as many as the region has room for.
    pub capacity: &'a AtomicU64,
}

/// The answer to a request for a slot.
#[derive(PartialEq, Eq, Debug)]
pub enum Slot {
    /// The caller has a slot, and fills or releases it under the same lock.
    Taken,
    /// Exactly as many slots are taken as there are: the slot of a record that leaves may be reused.
    Full,
    /// More slots are taken than there are, because the capacity was lowered.
    Excess,
    /// The entry is changing hands.
    Closed,
}

impl Slots<'_> {
    fn limit(&self) -> u64 {
        match self.capacity.load(Relaxed) {
            0 => CLOSED - 1,
            capacity => capacity.min(CLOSED - 1),
        }
    }

    pub fn taken(&self) -> usize {
        (self.taken.load(Relaxed) & !CLOSED) as usize
    }

    pub fn take(&self) -> Slot {
        let limit = self.limit();
        // Acquire: the entry's name and spread, as they are read after this, stay while the slot is held.
        let taken = self
            .taken
            .fetch_update(Acquire, Relaxed, |taken| (taken < limit).then(|| taken + 1));
        match taken {
            Ok(_) => Slot::Taken,
            Err(taken) if taken & CLOSED != 0 => Slot::Closed,
            Err(taken) if taken == limit => Slot::Full,
            Err(_) => Slot::Excess,
        }
    }

    pub fn release(&self) {
        // An entry with a taken slot is never closed; an impossible number is left for the next recount.
        let one_less = |taken: u64| (taken & CLOSED == 0).then(|| taken.saturating_sub(1));
        // Release: the record is gone before its slot is free.
        let _ = self.taken.fetch_update(Release, Relaxed, one_less);
    }

    /// How many records have to leave before `wanted` slots are free; with 0, before the capacity is kept.
    pub fn over(&self, wanted: usize) -> usize {
        let most = self.limit().saturating_sub(wanted as u64);
        (self.taken() as u64).saturating_sub(most) as usize
    }

    /// Sets how many slots are taken, after a recount.
    pub fn set_taken(&self, taken: u64) {
        let open = |seen: u64| (seen & CLOSED == 0).then_some(taken);
        let _ = self.taken.fetch_update(Relaxed, Relaxed, open);
    }

    /// Keeps every process from taking a slot; false if one is taken.
    pub fn close(&self) -> bool {
        self.taken
            .compare_exchange(0, CLOSED, Acquire, Relaxed)
            .is_ok()
    }

    /// Ends what `close` began, unless another process has done so.
    pub fn open(&self) {
        // Release: publishes the entry's new owner.
        let _ = self.taken.compare_exchange(CLOSED, 0, Release, Relaxed);
    }

    pub fn is_closed(&self) -> bool {
        self.taken.load(Relaxed) & CLOSED != 0
    }

    /// Opens slots that a process closed and then died; slots that were taken without a record are freed as well.
    pub fn reopen(&self) {
        self.taken.store(CLOSED, Relaxed); // as `close` leaves it
        self.open();
    }
}
