//! A shard: the part of a region that one lock protects.
//!
//! Every function of this room runs under that lock, but for those that say that they run without it. Each file knows only
//! those above it in this list.

pub mod heap;

pub mod record;

pub mod view;

pub mod eviction;
pub mod index;

pub mod remove;

pub mod deferred;
pub mod room;

pub mod look;
pub mod put;
pub mod rebuild;
pub mod scan;
#[cfg(any(test, fuzzing))]
pub mod validate;
