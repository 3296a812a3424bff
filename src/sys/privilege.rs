//! Whether the environment of this process is to be believed.

/// Whether the program has rights that whoever started it may lack: set-user-ID, set-group-ID, or capabilities.
pub fn is_privileged() -> bool {
    // SAFETY: a question to the C library.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
