//! Processes, each of which is a thread here. The model checkers have thread-local data of their own: `crate::thread_local` is theirs.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

pub const FLAGS: u64 = 0b11 << 30;
pub const EPOCH_SHIFT: u32 = 40;
pub const EPOCH_BITS: u32 = 8;

crate::thread_local! {
    static OWN: Cell<u64> = Cell::new(1);
}

/// A bit for each process that has ended.
static ENDED: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy)]
pub struct Identity(u64);

impl Identity {
    pub fn own() -> Self {
        Self(OWN.with(Cell::get))
    }

    pub fn word(self) -> u64 {
        self.0
    }

    pub fn of_word(word: u64) -> Self {
        Self(word & 0xff)
    }

    pub fn has_ended(self, _judge: Self) -> bool {
        ENDED.load(SeqCst) >> self.0 & 1 != 0
    }
}

/// The process of this number, 1 or more, from now on.
pub fn be(number: u64) {
    OWN.with(|own| own.set(number));
}

/// This process is no more.
pub fn end() {
    ENDED.fetch_or(1 << Identity::own().word(), SeqCst);
}

pub fn all_live() {
    ENDED.store(0, SeqCst);
}
