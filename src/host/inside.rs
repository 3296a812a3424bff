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
    static MAKING: Cell<bool> = const { Cell::new(false) };
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
            }
        }
        counted(|| {
            DEPTH.with(|depth| depth.set(depth.get() + 1));
            let _leave = Leave;
            call()
        })
    }

    /// True if this thread is inside such a call.
    #[inline]
    pub fn is() -> bool {
        is_anywhere() && Self::is_here()
    }

    /// Apart, as the address of thread-local data is the result of a call, which would else be made in advance.
    #[cold]
    #[inline(never)]
    fn is_here() -> bool {
        DEPTH.with(|depth| depth.get() > 0)
    }

    /// Runs `make`, which makes a context of sslcache's own. Functions of the application's ex_data may run in it, which find its
    /// contexts as they are at other times.
    pub fn making<T>(make: impl FnOnce() -> T) -> T {
        struct Restore(bool);
        impl Drop for Restore {
            fn drop(&mut self) {
                MAKING.set(self.0);
            }
        }
        counted(|| {
            let _restore = Restore(MAKING.replace(true));
            make()
        })
    }

    /// True if this thread is making a context of sslcache's own.
    pub fn is_making() -> bool {
        is_anywhere() && MAKING.get()
    }

    /// Runs `call`, in which functions of the application's ex_data may run. Returns whether it came to sslcache's
    /// SSL_CTX_flush_sessions with `ctx`.
    pub fn comes_back(ctx: *mut SSL_CTX, call: impl FnOnce()) -> bool {
        struct Forget;
        impl Drop for Forget {
            fn drop(&mut self) {
                WATCHED.set(ptr::null_mut());
            }
        }
        WATCHED.set(ctx);
        let _forget = Forget;
        counted(call);
        WATCHED.get().is_null()
    }

    /// True if this thread is inside `comes_back` with `ctx`, and no call has come back.
    pub fn waits_for(ctx: *mut SSL_CTX) -> bool {
        is_anywhere() && WATCHED.get() == ctx
    }

    /// Notes that the call that this thread waits for has come back.
    pub fn note() {
        WATCHED.set(ptr::null_mut());
    }
}

/// Runs `call` while this thread counts as inside one.
fn counted<T>(call: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            ANYWHERE.fetch_sub(1, Ordering::Relaxed);
        }
    }
    // Relaxed: no thread asks about another one.
    ANYWHERE.fetch_add(1, Ordering::Relaxed);
    let _leave = Leave;
    call()
}

#[inline]
fn is_anywhere() -> bool {
    ANYWHERE.load(Ordering::Relaxed) > 0
}
