//! The bytes of a region: where they are, what they mean, and who has how many records.

pub mod digest;
pub mod file;
pub mod layout;
pub mod memory;
pub mod partitions;
