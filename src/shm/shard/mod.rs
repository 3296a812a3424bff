//! A shard: the part of a region that one lock protects.

pub mod deferred;
pub mod eviction;
pub mod heap;
pub mod index;
pub mod record;
pub mod view;
