//! Removals that are made up for.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::cache::Key;
use crate::lock::Lock;
use crate::tier::Share;

/// As many as this are made up for; what is beyond expires.
const MOST: usize = 1024;

/// Removals that the region had no time for, or that another process might undo that is handing over.
pub(super) struct Deferred {
    any: AtomicBool,
    keys: Lock<Vec<Key>>,
}

impl Deferred {
    pub(super) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            keys: Lock::new(Vec::new()),
        }
    }

    pub(super) fn push(&self, key: &Key) {
        if let Some(mut keys) = self.keys.lock()
            && keys.len() < MOST
            && keys.try_reserve(1).is_ok()
        {
            keys.push(key.clone());
            self.any.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.any.load(Ordering::Relaxed) && self.keys.lock().is_some_and(|keys| keys.contains(key))
    }

    /// Makes up for them.
    pub(super) fn make_up(&self, share: Share<'static>) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        if let Some(mut keys) = self.keys.lock() {
            // The region again has no time at the first one: it would have none for the others.
            while let Some(key) = keys.last()
                && share.remove(key).is_some()
            {
                keys.pop();
            }
            self.any.store(!keys.is_empty(), Ordering::Relaxed);
        }
    }
}
