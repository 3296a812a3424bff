//! The bytes of a region: where they are, what they mean, and which partition has how many records.
//!
//! Each file knows only those above it in this list.

pub mod id;
pub mod layout;

pub mod memory;

pub mod digest;

pub mod boot;
pub mod capacity;

pub mod header;
pub mod partitions;

pub mod file;
