//! Out of sight of what else runs on this machine: the tool sees all processes that show their figures, and flushes
//! them where it is told to.

use std::ptr;

/// Gives this process, and those that it will start, a /run of their own; whether that could be done.
pub fn keep_apart() -> bool {
    let nothing = ptr::null();
    // SAFETY: a mount namespace of our own, from which nothing gets out, and C strings.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(
                nothing,
                c"/".as_ptr(),
                nothing,
                libc::MS_REC | libc::MS_PRIVATE,
                ptr::null(),
            ) == 0
            && libc::mount(
                c"none".as_ptr(),
                c"/run".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                c"mode=755".as_ptr().cast(),
            ) == 0
    }
}
