//! Calls of sslcache into the host that may come back to its exports.

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use super::types::SSL_CTX;

/// The state of a thread that is inside such a call. On hosts that call their own functions through the PLT, the call can
/// come back to a function that sslcache exports, and must then get the host's own answer.
pub struct Inside;

/// The number of threads that are inside such a call: nearly always none, which saves each call the access to thread-local
/// data. A thread sees its own change. A thread that a fork cuts off stays counted, and the child's threads then look at
/// their own data each time.
static ANYWHERE: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The context that `comes_back` waits for; null after it has come.
    static WATCHED: Cell<*mut SSL_CTX> = const { Cell::new(ptr::null_mut()) };
}

impl Inside {
    /// Runs `call`, a call to the host that runs no code of the application.
    pub fn enter<T>(call: impl FnOnce() -> T) -> T {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                DEPTH.with(|depth| depth.set(depth.get() - 1));
                ANYWHERE.fetch_sub(1, Ordering::Relaxed);
            }
        }
        // Relaxed: no thread asks about another one.
        ANYWHERE.fetch_add(1, Ordering::Relaxed);
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        let _leave = Leave;
        call()
    }

    /// True if this thread is inside such a call.
    #[inline]
    pub fn is() -> bool {
        ANYWHERE.load(Ordering::Relaxed) > 0 && Self::is_here()
    }

    /// Apart, as the address of thread-local data is the result of a call, which would else be made in advance.
    #[cold]
    #[inline(never)]
    fn is_here() -> bool {
        DEPTH.with(|depth| depth.get() > 0)
    }

    /// Runs `call` like [`Self::enter`]. Returns whether it came back to sslcache's SSL_CTX_flush_sessions with `ctx`.
    pub fn comes_back(ctx: *mut SSL_CTX, call: impl FnOnce()) -> bool {
        struct Forget;
        impl Drop for Forget {
            fn drop(&mut self) {
                WATCHED.set(ptr::null_mut());
            }
        }
        WATCHED.set(ctx);
        let _forget = Forget;
        Self::enter(call);
        WATCHED.get().is_null()
    }

    /// True if this thread is inside `comes_back` with `ctx`, and no call has come back.
    pub fn waits_for(ctx: *mut SSL_CTX) -> bool {
        Self::is() && WATCHED.get() == ctx
    }

    /// Notes that the call that this thread waits for has come back.
    pub fn note() {
        WATCHED.set(ptr::null_mut());
    }
}
