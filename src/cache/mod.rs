//! The cache: sessions by key, bounded, each with an expiry.
//!
//! It owns one reference of type `V` for each session it holds and gives out clones. A session that leaves, for whatever
//! reason, is returned to the caller, which drops it, or first marks it and calls the application; no value is ever dropped
//! under a lock. `V::clone` and `V::eq` do run under one: they must be short and must not call back (one atomic increment;
//! one comparison of pointers). Dropping a returned value may run any code, even call the cache.
//!
//! * The bound is exact at every moment and for any capacity and number of shards.
//! * Insert, get, take and set_expiry are O(1), whatever is cached; nothing is rehashed, moved or walked under a lock.
//!   Flush and iteration work in batches and hold no lock between them.
//! * A shard's lock is the only wait. Calls for different keys rarely meet.
//! * A lack of memory is answered with `Outcome::Refused`. A cache that was never inserted into has allocated nothing.
//! * An entry takes 78 bytes when `V` is a pointer: a cache line, and 14 bytes in the index. A shard that becomes empty
//!   frees its memory; one that only shrinks keeps it.
//!
//! The cache knows no clock (the time is an argument), no thread, no environment and no other room but `sys`. It does not
//! judge expiry: `get` returns an expired session too, because libssl counts and removes it itself.
//!
//! Each file knows only those above it in the list below. `holders` is apart from all: it records, for many caches, which of
//! them hold an object.

#![forbid(unsafe_code)]

mod batch;
mod counters;
mod expiry;
mod history;
mod key;
mod rank;
mod segments;
mod slots;

mod hash;
mod slab;

mod index;
mod list;

mod queues;
mod wheel;

mod shard;

mod store;

mod whole;

mod insert;
mod sweep;

mod holders;

#[cfg(test)]
mod tests;

pub use batch::{BATCH, Batch};
pub use counters::Counters;
pub use expiry::Expiry;
pub use history::ClientHistory;
pub use holders::Holders;
pub use insert::{Arrival, Evicted, Outcome};
pub use key::Key;
pub use sweep::{Batches, Flush, Sweep};
pub use whole::Cache;
