//! pthread_cancel, kept waiting: work of ours that opens files or sleeps has points at which the C library would unwind
//! the thread, through frames that cannot be unwound.

use core::ffi::c_int;
use core::ptr;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// PTHREAD_CANCEL_DISABLE, where 0 is PTHREAD_CANCEL_ENABLE, in the C libraries of Linux.
const DISABLE: c_int = 1;

/// While there is one, this thread is not cancelled.
pub struct Uncancelled(c_int);

impl Uncancelled {
    /// From now on.
    pub fn new() -> Self {
        let mut before = DISABLE;
        // SAFETY: a state of the C library, and a place for the one before.
        unsafe { pthread_setcancelstate(DISABLE, &mut before) };
        Self(before)
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        // SAFETY: the state that the C library has told; it may be asked for no answer.
        unsafe { pthread_setcancelstate(self.0, ptr::null_mut()) };
    }
}
