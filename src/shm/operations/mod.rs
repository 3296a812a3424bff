//! What callers do: with a region as a whole, and with one partition of it.
//!
//! Each file knows only those above it in this list.

pub mod whole;

pub mod locks;

pub mod claim;
pub mod flush;

pub mod partition;

pub mod look;
pub mod put;
pub mod remove;

#[cfg(fuzzing)]
pub mod fuzzed;
#[cfg(any(test, fuzzing))]
pub mod validate;
