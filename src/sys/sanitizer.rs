//! What ThreadSanitizer has to be told, because it cannot see it: the host's counts of references. The host is built without
//! the sanitizer, so that a read of one thread and the `free` by which another releases the last reference look unordered.

use core::ffi::c_void;

#[cfg(tsan)]
unsafe extern "C" {
    fn __tsan_acquire(address: *mut c_void);
    fn __tsan_release(address: *mut c_void);
}

/// Tells the sanitizer that this thread is about to release a reference to `object`: everything that a thread did before its
/// release comes before what the last one does.
pub fn releases(object: *mut c_void) {
    #[cfg(tsan)]
    // SAFETY: the sanitizer's runtime takes any address for the name of an object.
    unsafe {
        __tsan_release(object);
        __tsan_acquire(object);
    }
    #[cfg(not(tsan))]
    let _ = object;
}
