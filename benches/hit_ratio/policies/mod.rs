//! Who leaves a full cache: the policies under comparison, behind one trait.

mod arc;
mod belady;
mod host;
mod lists;
mod lru;
mod names;
mod ours;
mod quick_cache;
mod random;
mod s3_fifo;
mod sieve;
mod w_tiny_lfu;

pub use arc::Arc;
pub use belady::Belady;
pub use host::Host;
pub use lru::Lru;
pub use ours::Ours;
pub use quick_cache::QuickCache;
pub use random::RandomEviction;
pub use s3_fifo::S3Fifo;
pub use sieve::Sieve;
pub use w_tiny_lfu::WTinyLfu;

/// A session on its way into the cache. Sessions are numbered in the order in which they are made.
pub struct Arrival {
    pub session: u32,
    pub expiry: i64,
    pub now: i64,
    /// It was made in a resumed handshake.
    pub resumed: bool,
    /// The session that its client offered in vain.
    pub offered: Option<u32>,
    /// The visit that will ask for it, or NEVER. Only Belady may look.
    pub next_use: u32,
}

/// A cache that can be told from others by what it evicts.
pub trait Policy {
    /// Whether the session is cached; a use of it, which may be followed by others.
    fn find(&mut self, session: u32, next_use: u32) -> bool;

    /// Whether the session is cached; a use of it by a client that is then given a new one.
    fn find_once(&mut self, session: u32) -> bool {
        self.find(session, super::clients::NEVER)
    }

    /// Caches a session of a new id.
    fn insert(&mut self, arrival: Arrival);

    /// Takes the session out, if it is there.
    fn remove(&mut self, session: u32) -> bool;

    /// What becomes of a session's next use, for the one who may look.
    fn foresee(&mut self, _session: u32, _next_use: u32) {}
}
