//! One cache for all worker processes: the way from a context's own cache to the shared region.
//!
//! The region is mapped when the first context is made, so that children inherit it; nothing is written to it before a
//! process forks. From then on it is the authority: a session of the own cache counts only while the region still has
//! it, and spares the decoding. By default one and the same context shares, that is, in all processes that descend
//! from the one that made it: its partition has a number that no other context has. With a group, or a region with a name,
//! contexts share that are configured alike. In either case a session goes only to connections that are [`alike`](super::alike)
//! to the one that made it.
//!
//! * Some sessions stay in their process, in a cache of their own, where nobody else has a say: those that the
//!   application keeps data with (as bytes they would lose it), those of clients (which are never looked up), those with
//!   a peer's certificate where the group has no name, and those for which the region has no room. What the region may
//!   have all the same is not kept: it could be used up twice.
//! * What was cached before the first fork is handed to the region by whichever process comes first, and by that one
//!   alone: two might hand over a session that one has used up. Meanwhile the others go on with the copies that
//!   they inherited, but use none of them up. Whoever has waited for too long ends it: what is removed then stays so.
//! * A removal or a flush is final when its call returns: the region sees to that where a lock is not had, and what is
//!   being handed over meanwhile stays where it is.

pub mod common;
mod exchange;
mod migration;
pub mod operations;
mod private;
pub mod scope;
pub mod state;

pub use exchange::any_is_shared;
