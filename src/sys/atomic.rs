//! The atomics of what processes do with the same memory. A test that explores all orders of their steps (tests/loom) compiles the
//! same files with atomics of its own in this place.

pub use core::hint::spin_loop;
pub use core::sync::atomic::{AtomicU32, AtomicU64};

/// How often a waiter reads a word before it sleeps. What is waited for takes less than a microsecond as a rule.
pub const SPINS: u32 = 64;
