//! The stats page: a small file in which the processes of a tree publish their statistics.
//!
//! The file is made with the first context and mapped, so that forked processes have it even if they have lost the rights,
//! the root or the environment that making one needs. Each process takes a slot of it. A process that finds no slot, or that
//! may not make a file, goes on without. Nothing in the page is secret, and sslcache does not depend on it. Other processes
//! of the user may write a few words, which ask the processes to flush their caches or to end their ticket keys.
//!
//! A process that touches a mapped file after it was truncated is ended, and any process with the rights of its user may
//! truncate this one. So the processes work on memory that they share, and the kernel copies it to the file, for which a
//! missing block is an ordinary error.
//!
//! * `figures` is the table of statistics, `layout` their places.
//! * `folder` is the folder of the files, `own` this process's page, `reading` any page, `sweep` removes stale ones.
//! * `alive` tells whether a process still exists and has its page, by what /proc says, which `maps` reads; `census` finds
//!   all processes that have pages.
//!
//! This room knows only `sys`.

mod alive;
pub mod census;
pub mod figures;
mod folder;
mod layout;
pub mod maps;
mod own;
pub mod reading;
mod sweep;
#[cfg(test)]
mod tests;

pub use figures::{Context, FIGURES, Figure, REGION_FIGURES, Sums, TicketKeys};
pub use folder::folders;
pub use own::{
    ASKED_EVERY_MS, About, Slot, contexts_shown, flushes, is_first_to_flush, make, orders,
    publish_region, slot,
};
