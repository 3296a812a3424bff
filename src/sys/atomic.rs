//! The atomics of what processes or threads do with the same memory. Tests that explore the orders of their steps (tests/loom,
//! tests/shuttle) compile the same files with atomics of their own in this place.

pub use core::hint::spin_loop;
pub use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, fence};

/// How often a waiter reads a word before it sleeps. What is waited for takes less than a microsecond as a rule.
pub const SPINS: u32 = 64;

/// The slots of a mailbox, each for one request at a time. It is here because all orders of steps are explored with one slot.
pub const SLOTS: usize = 64;
