//! Whether the environment of this process can be trusted.

/// True if the program may have more rights than the user who started it: set-user-ID, set-group-ID, or capabilities.
pub fn is_privileged() -> bool {
    // SAFETY: getauxval has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
