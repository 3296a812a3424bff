//! The processors of this machine.

/// The number of processors that this process may run on, at least 1. The standard library's count reads files; this one
/// is a system call.
pub fn processors() -> usize {
    // SAFETY: `cpu_set_t` has only integers; all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: `set` is a place of the given size. 0 means the calling thread.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return 1;
    }
    // SAFETY: `set` is initialised.
    usize::try_from(unsafe { libc::CPU_COUNT(&set) })
        .unwrap_or(1)
        .max(1)
}
