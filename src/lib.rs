//! The session cache that libssl should have had.
//!
//! Layers, and who may know whom: `cache` ← `tier` ← `ffi` → `host`.
//!
//! * [`cache`] is the cache itself: pure, safe, told the time, knowing nothing of libssl.
//! * [`tier`] is a second home of sessions, shared by processes: bytes in, bytes out.
//! * [`host`] is the libssl behind us: its functions, and owning references to its objects.
//! * [`ffi`] is what C sees: the only layer with exported functions, and the rules of libssl.
//! * [`config`] is what the administrator asked for: read once, handed down as values.
//! * [`page`] is what a process shows of itself, for the tool to read.
//! * [`lock`] is what all of them wait at: a mutex that survives a fork.
//! * `mapping` is memory from the kernel.
//! * `side_table` keeps what is ours beside objects of the host.
//! * `prefetch` tells the processor what it will need.
//! * `uncancelled` keeps pthread_cancel waiting.
//! * `privilege` is whether the environment may be believed.
//! * [`say`] is the few lines that we may have to say, on stderr.

pub mod cache;
pub mod config;
pub mod ffi;
pub mod host;
pub mod lock;
mod mapping;
pub mod page;
mod prefetch;
mod privilege;
#[cfg(test)]
mod random;
mod say;
mod side_table;
pub mod tier;
mod uncancelled;
