//! Hides the other processes of this machine: the tool sees every process with a stats page, and a test could flush the
//! caches of services.

use std::ptr;

/// Gives this process and its children a /run of their own. Returns whether it succeeded.
pub fn keep_apart() -> bool {
    let nothing = ptr::null();
    // SAFETY: the paths are C strings. Mounts in the new namespace do not propagate to the machine's.
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
