//! The session cache that libssl should have had.
//!
//! Rooms, from the top: each knows those below it, and none above.
//!
//! * [`capi`] is what C sees: the only room with exported functions, and what the host calls.
//! * [`stats`] is what the contexts have counted, shown in the page that the tool reads.
//! * [`context`] is what we keep for one `SSL_CTX`: libssl's rules, and who may share with whom.
//! * [`host`] is the libssl behind us: its functions, and owning references to its objects.
//! * [`shm`] is memory that processes share: bytes in, bytes out.
//! * [`cache`] is the cache of one process: pure, safe, told the time, knowing nothing of libssl.
//! * [`page`] is that page: its words, and how they are read.
//! * [`config`] is what the administrator asked for, read once.
//! * [`sys`] is what the platform gives: a mutex that survives a fork, memory, errno and unwinding, and a line on stderr.

pub mod cache;
pub mod capi;
pub mod config;
pub mod context;
pub mod host;
pub mod page;
pub mod shm;
mod stats;
pub mod sys;
