//! Protection from pthread_cancel: work that opens files or sleeps has cancellation points, at which the C library would
//! unwind the thread through frames that cannot be unwound.

use core::ffi::c_int;
use core::ptr;

#[cfg(not(miri))]
unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// Miri has no pthread_cancel.
#[cfg(miri)]
unsafe fn pthread_setcancelstate(_state: c_int, _before: *mut c_int) -> c_int {
    0
}

/// PTHREAD_CANCEL_DISABLE, where 0 is PTHREAD_CANCEL_ENABLE, in the C libraries of Linux.
const DISABLE: c_int = 1;

/// While one exists, this thread is not cancelled.
pub struct Uncancelled(c_int);

impl Uncancelled {
    /// Disables cancellation until the value is dropped.
    pub fn new() -> Self {
        let mut before = DISABLE;
        // SAFETY: `DISABLE` is a valid state, and `before` a place for the previous one.
        unsafe { pthread_setcancelstate(DISABLE, &mut before) };
        Self(before)
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        // SAFETY: the state is the one that the C library returned; a null pointer asks for no answer.
        unsafe { pthread_setcancelstate(self.0, ptr::null_mut()) };
    }
}
