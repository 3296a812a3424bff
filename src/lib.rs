//! The session cache that libssl should have had.
//!
//! Layers, and who may know whom: `cache` ← `shm` ← `ffi` → `host`.
//!
//! * [`cache`] is the cache itself: pure, safe, told the time, knowing nothing of libssl.
//! * [`shm`] is memory that processes share: bytes in, bytes out.
//! * [`host`] is the libssl behind us: its functions, and owning references to its objects.
//! * [`ffi`] is what C sees: the only layer with exported functions, and the rules of libssl.
//! * [`config`] is what the administrator asked for: read once, handed down as values.
//! * [`page`] is what a process shows of itself, for the tool to read.
//! * [`sys`] is what the platform gives: a mutex that survives a fork, memory, hints, and a line on stderr.

pub mod cache;
pub mod config;
pub mod ffi;
pub mod host;
pub mod page;
pub mod shm;
pub mod sys;
