//! What a process tree shows of itself to whoever may look: a small file that its processes write to as they work.
//!
//! The file is made with the first context and mapped, so that what is forked from its maker has it too, though it may
//! have lost the rights, the root or the environment that would be needed to make one: each process takes a slot of it.
//! A process that finds no slot, and one that may not make a file, goes on without. Nothing in it is secret, and nobody
//! relies on it; but one word may be written by others: it asks the processes to flush their caches.
//!
//! Whoever touches a mapped file that was truncated is ended, and anybody with the rights of its user may truncate this
//! one. So the processes work on memory of their own, which they share, and the kernel copies it to the file: for it a
//! place that is gone is an error like any other.
//!
//! * [`figures`] is what is counted, [`layout`] where it stands.
//! * [`folder`] is where the file lies, [`own`] this process's own, [`reading`] anybody's.
//! * [`alive`] tells whether a process is still there.
//!
//! It knows no other layer.

mod alive;
pub mod figures;
mod folder;
mod layout;
mod own;
pub mod reading;
mod sweep;
#[cfg(test)]
mod tests;

pub use figures::{Context, FIGURES, Figure, REGION_FIGURES, Sums};
pub use folder::folders;
pub use own::{
    ASKED_EVERY_MS, About, Slot, contexts_shown, flushes, is_first_to_flush, make, publish_region,
    slot,
};
