//! The session id context of a context, learned at its setter because libssl has no getter.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys::lock::Lock;

/// The session id context, by which libssl tells the sessions of one application from those of another.
pub struct IdContext {
    known: Lock<Vec<u8>>,
    changes: AtomicU32,
}

impl IdContext {
    /// An empty session id context, as a new SSL_CTX has it.
    pub const fn new() -> Self {
        Self {
            known: Lock::new(Vec::new()),
            changes: AtomicU32::new(0),
        }
    }

    /// The bytes that the application has set, empty if it has set none; `None` if they were lost in a fork.
    pub fn get(&self) -> Option<Vec<u8>> {
        self.known.lock().map(|known| known.clone())
    }

    /// Records the bytes that the application sets.
    pub fn set(&self, id_context: &[u8]) {
        if let Some(mut known) = self.known.lock() {
            known.clear();
            known.extend(id_context);
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often the session id context was set.
    pub fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
    }
}
