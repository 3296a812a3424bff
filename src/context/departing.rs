//! The departing session: the one for which this thread is inside the application's remove callback although no call
//! removed it (it was evicted or flushed, or its context is being freed). libssl holds the context's lock during that
//! callback, so a removal of the session from inside it has no effect; here it has none either.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::cache::Key;
use crate::host::types::SSL_CTX;

/// The number of threads that tell an application of a departing session: nearly always none, which saves each removal the
/// access to thread-local data. A thread sees its own change; one that a fork cuts off stays counted.
static TELLING: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The key of the session, and the context that it leaves.
    static TOLD: RefCell<Option<(*mut SSL_CTX, Key)>> = const { RefCell::new(None) };
}

/// Runs `tell`, which calls the remove callback for the session of `key`.
pub fn while_told(ctx: *mut SSL_CTX, key: Option<Key>, tell: impl FnOnce()) {
    struct Restore(Option<(*mut SSL_CTX, Key)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            TOLD.set(self.0.take());
            TELLING.fetch_sub(1, Ordering::Relaxed);
        }
    }
    // Relaxed: no thread asks about another one.
    TELLING.fetch_add(1, Ordering::Relaxed);
    let _restore = Restore(TOLD.replace(key.map(|key| (ctx, key))));
    tell();
}

/// Whether any thread is inside a remove callback for a departing session.
#[inline]
pub fn is_any() -> bool {
    TELLING.load(Ordering::Relaxed) > 0
}

/// Whether this thread is inside the remove callback for the departing session of `key`.
pub fn is_departing(ctx: *mut SSL_CTX, key: &Key) -> bool {
    is_any() && is_told(ctx, key)
}

#[inline(never)]
fn is_told(ctx: *mut SSL_CTX, key: &Key) -> bool {
    TOLD.with_borrow(|told| {
        told.as_ref()
            .is_some_and(|(left, of)| *left == ctx && of == key)
    })
}
