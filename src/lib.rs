//! The session cache that libssl should have had.
//!
//! Its rooms, from the top. Each may use those below it and none above:
//!
//! * [`capi`] is what C sees: the only room with exported functions, and the callbacks that the host calls.
//! * `stats` adds up what the contexts have counted and writes it to the stats page that the tool reads.
//! * [`context`] holds what belongs to one `SSL_CTX`: libssl's rules, and which connections may share sessions.
//! * [`host`] is the libssl behind sslcache: its functions, and owning references to its objects.
//! * [`mailbox`] is the memory that the processes of a tree share with the agent of their host.
//! * [`shm`] is the memory that processes share: it stores and returns bytes.
//! * [`cache`] is the cache of one process, without unsafe code: it gets the time as an argument and knows nothing of libssl.
//! * [`page`] is the format of the stats page, for its writer and its reader.
//! * [`config`] holds the administrator's settings, read once.
//! * [`sys`] is the platform: a mutex that survives a fork, memory mappings, errno and unwinding, and messages on stderr.

pub mod cache;
pub mod capi;
pub mod config;
pub mod context;
pub mod host;
pub mod mailbox;
pub mod page;
pub mod shm;
mod stats;
pub mod sys;
