//! Whether a process is still there: by its number and the moment it began, as numbers are given again.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// When a process began, in ticks since the machine did; `None` where that cannot be learnt.
pub fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may have blanks and brackets in it.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// Whether the process that began at `start` (0: unknown) is there. On any doubt it is.
pub fn is_alive(pid: u32, start: u64) -> bool {
    let Ok(number) = i32::try_from(pid) else {
        return false;
    };
    // SAFETY: 0 sends nothing.
    let asked = unsafe { libc::kill(number, 0) };
    if asked != 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH) {
        return false;
    }
    start == 0 || start_of(pid).is_none_or(|now| now == start)
}

/// The namespace that our process ids are of; 0 where that cannot be learnt.
pub fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |about| about.ino())
}
