//! The bytes of a region: where they are, what they mean, and which partition has how many records.

pub mod boot;
pub mod capacity;
pub mod digest;
pub mod file;
pub mod header;
pub mod id;
pub mod layout;
pub mod memory;
pub mod partitions;
