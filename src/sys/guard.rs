//! The boundary: no panic crosses it, foreign unwinding does, and errno stays the caller's.
//!
//! pthread_cancel and C++ exceptions of the application unwind its callbacks and go on through our frames, which only
//! drop what they own. `catch_unwind` would end the process instead: so no code of the application, and no function of
//! the host that may run such code, is called inside [`guard`], [`caught`] or [`attempt`].

use core::mem;
use core::sync::atomic::{AtomicBool, Ordering};
use std::panic::{self, AssertUnwindSafe};
use std::{process, thread};

use super::uncancelled::Uncancelled;

/// Runs an entry that calls no code of the application; `failure` is what C gets where it answers `None` or panics.
pub fn guard<T>(failure: T, entry: impl FnOnce() -> Option<T>) -> T {
    attempt(entry).unwrap_or(failure)
}

/// Runs an entry that may call code of the application; `failure` is what C gets where it answers `None`. What of it may
/// panic is an [`attempt`].
pub fn passage<T>(failure: T, entry: impl FnOnce() -> Option<T>) -> T {
    /// Nobody above us could catch a panic: it would leave the host's locks held on its way to the same end.
    struct NoPanic;
    impl Drop for NoPanic {
        fn drop(&mut self) {
            if thread::panicking() {
                process::abort();
            }
        }
    }
    let no_panic = NoPanic;
    let result = entry();
    mem::forget(no_panic);
    result.unwrap_or(failure)
}

/// Runs work of our own that may fail or wait, uncancelled, and leaves errno as it was; `None` also where it panicked.
pub fn attempt<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    let _uncancelled = Uncancelled::new();
    quietly(|| caught(work)).flatten()
}

/// Runs `work`; `None` where it panicked. Nothing is printed: stderr belongs to the program.
pub fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Not a Once: one that another thread is in while this process forks is never done in the child.
    static SILENCED: AtomicBool = AtomicBool::new(false);
    // Relaxed: only who is first counts.
    if !SILENCED.load(Ordering::Relaxed) && !SILENCED.swap(true, Ordering::Relaxed) {
        // This is the panic hook of the standard library inside our own file; a program's own is another.
        panic::set_hook(Box::new(|_| ()));
    }
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Runs `work` and leaves errno as it was. Not for the application's callbacks: what they do to errno
/// is seen by a caller of libssl, too.
pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: the C library answers a valid pointer to this thread's errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let result = work();
    // SAFETY: as above.
    unsafe { *errno = before };
    result
}
