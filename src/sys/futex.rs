//! Waiting for a word in shared memory to change.

use core::ptr;
use core::time::Duration;

use crate::sys::atomic::{AtomicU32, AtomicU64};

/// Waits until somebody [wakes](wake) those who wait for `word`, unless it is not `seen` any more; for `most` at most. May
/// return early.
pub fn wait(word: &AtomicU32, seen: u32, most: Duration) {
    #[cfg(fuzzing)]
    if super::played::waits(most) {
        return;
    }
    let most = libc::timespec {
        tv_sec: most.as_secs() as libc::time_t,
        tv_nsec: most.subsec_nanos() as _,
    };
    // SAFETY: the word is a live, aligned futex of 32 bits, and the time lives during the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            ptr::from_ref(word),
            libc::FUTEX_WAIT,
            seen,
            &raw const most,
        )
    };
}

/// The half of a word of 64 bits that has its lowest bits.
fn lower_half(word: &AtomicU64) -> &AtomicU32 {
    let half = if cfg!(target_endian = "big") { 1 } else { 0 };
    // SAFETY: a word of 64 bits has two aligned halves of 32, which live as long; only the kernel reads them by this reference.
    unsafe { &*word.as_ptr().cast::<AtomicU32>().add(half) }
}

/// [`wait`] for the lower half of a word of 64 bits, which is all that the kernel waits for.
pub fn wait_for_half(word: &AtomicU64, seen: u32, most: Duration) {
    wait(lower_half(word), seen, most);
}

/// [`wake`] for those who wait for the lower half.
pub fn wake_for_half(word: &AtomicU64, most: i32) {
    wake(lower_half(word), most);
}

/// Wakes up to `most` of those who wait for `word`.
pub fn wake(word: &AtomicU32, most: i32) {
    // SAFETY: the word is a live, aligned futex of 32 bits.
    unsafe { libc::syscall(libc::SYS_futex, ptr::from_ref(word), libc::FUTEX_WAKE, most) };
}
