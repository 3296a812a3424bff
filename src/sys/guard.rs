//! The boundary to C: no panic crosses it, foreign unwinding may, and errno belongs to the caller.
//!
//! pthread_cancel and C++ exceptions of the application unwind its callbacks and go on through Rust frames, which only drop
//! what they own. `catch_unwind` would end the process instead. So no code of the application, and no function of the host
//! that may run such code, is called inside [`guard`], [`caught`] or [`attempt`].

use core::mem;
use core::sync::atomic::{AtomicBool, Ordering};
use std::panic::{self, AssertUnwindSafe};
use std::{process, thread};

use super::uncancelled::Uncancelled;

/// Runs an entry that calls no code of the application; C gets `failure` if the entry returns `None` or panics.
pub fn guard<T>(failure: T, entry: impl FnOnce() -> Option<T>) -> T {
    attempt(entry).unwrap_or(failure)
}

/// Runs an entry that may call code of the application; C gets `failure` if the entry returns `None`. Parts of it that may
/// panic are run by [`attempt`].
pub fn passage<T>(failure: T, entry: impl FnOnce() -> Option<T>) -> T {
    /// Aborts on a panic. No caller could catch it, and it would only leave the host's locks held before the process ends.
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

/// Runs work without code of the application that may fail or wait, uncancelled, and leaves errno as it was; `None` also if
/// it panicked.
pub fn attempt<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    let _uncancelled = Uncancelled::new();
    quietly(|| caught(work)).flatten()
}

/// Runs `work`; `None` if it panicked. Nothing is printed: stderr belongs to the program.
pub fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    silence();
    caught_silently(work)
}

/// Does what [`caught`] does where [`silence`] was called before.
#[inline(always)]
pub fn caught_silently<T>(work: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Lets no panic print anything from now on.
pub fn silence() {
    // Not a Once: if another thread is inside it while this process forks, it never completes in the child.
    static SILENCED: AtomicBool = AtomicBool::new(false);
    // Relaxed: the flag only tells which thread is first. Unit tests and fuzzers keep their hook, which says why one failed.
    if !cfg!(any(test, fuzzing))
        && !SILENCED.load(Ordering::Relaxed)
        && !SILENCED.swap(true, Ordering::Relaxed)
    {
        // This is the hook of the standard library inside this shared object; a Rust program has its own.
        panic::set_hook(Box::new(|_| ()));
    }
}

/// Runs `work` and leaves errno as it was. Not for the application's callbacks, whose changes to errno a caller of libssl
/// sees as well.
pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: the function has no preconditions, and returns the address of this thread's errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: `errno` is the valid address of this thread's errno.
    let before = unsafe { *errno };
    let result = work();
    // SAFETY: `errno` is the valid address of this thread's errno.
    unsafe { *errno = before };
    result
}
