//! Of which session the application's remove callback is being told that nobody removed: it was evicted, flushed, or
//! goes with its context. libssl holds the context's lock meanwhile, and a removal of it comes to nothing.

use core::cell::RefCell;

use crate::cache::Key;
use crate::host::types::SSL_CTX;

thread_local! {
    /// The session, and the context that it leaves.
    static TOLD: RefCell<Option<(*mut SSL_CTX, Key)>> = const { RefCell::new(None) };
}

/// Runs `tell`, which tells of the session of `key`.
pub fn while_told(ctx: *mut SSL_CTX, key: Option<Key>, tell: impl FnOnce()) {
    struct Restore(Option<(*mut SSL_CTX, Key)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            TOLD.set(self.0.take());
        }
    }
    let _restore = Restore(TOLD.replace(key.map(|key| (ctx, key))));
    tell();
}

/// Whether this thread is being told of the session of `key`.
pub fn is_departing(ctx: *mut SSL_CTX, key: &Key) -> bool {
    TOLD.with_borrow(|told| {
        told.as_ref()
            .is_some_and(|(left, of)| *left == ctx && of == key)
    })
}
