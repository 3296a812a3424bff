//! One cache for all worker processes: the path between a context's own cache and the shared region.
//!
//! The region is mapped when the first context is made, so that children inherit it. Nothing is written to it before a
//! process forks. After that it is the authority: a session in a process's own cache is resumed only while the region
//! still has it, and the own cache saves no more than the decoding. By default a context shares only with itself, that
//! is, with its copies in the processes that descend from the one that made it: its partition has a number that no other
//! context has. In a group or a named region, contexts that are configured alike share one partition. In every case a
//! session is handed only to connections that are [`alike`](super::alike) to the one that made it.
//!
//! * **Private sessions** stay in their process, in caches that no other process reads: sessions with ex_data of the
//!   application (DER would lose it), sessions of clients (a server never looks them up), sessions that carry the
//!   certificate of a client under terms that ask for none, sessions of connections without a tag, and sessions that the
//!   region did not take. If the region may have a copy all the same, the session is kept as inherited: it could be
//!   consumed twice otherwise.
//! * **Migration.** The sessions cached before the first fork are put into the region by one process, the winner of an
//!   election: with two, one could put back a session that the other has consumed. Until the migration ends, the other
//!   processes resume the copies that they inherited but consume none. A process that has waited too long ends the
//!   migration, so that later removals are final.
//! * **Removals and flushes** are final when their calls return. The region defers a removal for which it cannot get a
//!   lock, and a removal during a migration ends the migration.
//! * **Worker death.** The region is rebuilt by `shm`, which also takes over the locks of the dead. If the migrating
//!   process dies, the others end the migration when they have waited long enough; see [`migration`].
//!
//! Each file knows only those above it in this list.
//!
//! * `common`: the region of this process tree, and how often the tree has forked.
//! * `state`: what a context remembers about sharing; [`Scope`](state::Scope), [`Destination`](state::Destination).
//! * `exchange`: records on their way into the region and out of it.
//! * `missed`: sessions of other hosts that were asked for in vain.
//! * `abroad`: sessions of other hosts, through the agent.
//! * `private`: the private sessions.
//! * `migration`: the migration of inherited sessions.
//! * `scope`: with which processes a context shares at this moment.
//! * `arrival`: a record becomes a session of this process.
//! * `operations`: add, find, remove and the rest over all of these.

pub mod abroad;
mod arrival;
pub mod common;
mod exchange;
mod migration;
mod missed;
pub mod operations;
mod private;
pub mod scope;
pub mod state;

pub use exchange::any_is_shared;
