//! The session id context of a context, which libssl has no function to ask for.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys::lock::Lock;

/// What tells the sessions of one application from another's.
pub struct IdContext {
    known: Lock<Vec<u8>>,
    changes: AtomicU32,
}

impl IdContext {
    /// None is set.
    pub const fn new() -> Self {
        Self {
            known: Lock::new(Vec::new()),
            changes: AtomicU32::new(0),
        }
    }

    /// What the application has set, empty where nothing is; `None` where that was lost in a fork.
    pub fn get(&self) -> Option<Vec<u8>> {
        self.known.lock().map(|known| known.clone())
    }

    /// Takes note of what the application sets.
    pub fn set(&self, id_context: &[u8]) {
        if let Some(mut known) = self.known.lock() {
            known.clear();
            known.extend(id_context);
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often it was set.
    pub fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
    }
}
