//! What callers do: with a region as a whole, and with one partition of it.

pub mod partition;
pub mod whole;
