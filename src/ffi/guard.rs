//! The boundary: no panic crosses it, and errno stays the caller's.

use core::sync::atomic::{AtomicBool, Ordering};
use std::panic::{self, AssertUnwindSafe};

/// Runs an entry; `failure` is what C gets where it answers `None` or panics.
pub fn guard<T>(failure: T, entry: impl FnOnce() -> Option<T>) -> T {
    caught(entry).flatten().unwrap_or(failure)
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
