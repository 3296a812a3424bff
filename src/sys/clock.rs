//! The clocks of the system.

use core::ptr;
use core::time::Duration;

/// The time of one of the kernel's clocks, such as `libc::CLOCK_MONOTONIC`, which is the same for all processes of a boot and which
/// nobody sets.
pub fn of(which: libc::clockid_t) -> Duration {
    #[cfg(fuzzing)]
    if which == libc::CLOCK_MONOTONIC {
        return super::played::time();
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a place for the answer.
    unsafe { libc::clock_gettime(which, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The second since 1970.
pub fn second() -> i64 {
    // SAFETY: with a null argument, time() writes nothing and returns the time.
    unsafe { libc::time(ptr::null_mut()) }
}
