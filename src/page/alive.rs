//! Whether a process is still there: by its number, and a moment at which it had that, as numbers are given again.
//!
//! A number is given to another process when the one that had it is gone. So of a process that had it at some moment it
//! is enough that who has it now began no later. That moment needs no `/proc`, and a process may have lost it: by a
//! chroot, or by its rights.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// When a process began, in ticks since the machine did; `None` where that cannot be learnt.
pub fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may have blanks and brackets in it.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// The tick that it is now, counted as the beginnings of processes are; never 0.
pub fn tick() -> u64 {
    /// USER_HZ, as /proc has it on all machines that we know.
    const TICKS_A_SECOND: u64 = 100;
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    let part = now.tv_nsec as u64 / (1_000_000_000 / TICKS_A_SECOND);
    (now.tv_sec as u64 * TICKS_A_SECOND + part).max(1)
}

/// Whether the process that had this number at a tick (0: unknown) is there. On any doubt it is.
pub fn is_alive(pid: u32, at: u64) -> bool {
    let Ok(number) = i32::try_from(pid) else {
        return false;
    };
    // SAFETY: 0 sends nothing.
    let asked = unsafe { libc::kill(number, 0) };
    if asked != 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH) {
        return false;
    }
    at == 0 || start_of(pid).is_none_or(|start| start <= at)
}

/// The namespace that our process ids are of; 0 where that cannot be learnt.
pub fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |about| about.ino())
}

/// The boot of the machine, in which ticks are counted; 0 where that cannot be learnt.
pub fn boot() -> u64 {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits = id.chars().filter_map(|digit| digit.to_digit(16));
    digits.fold(0, |digest, digit| {
        (u64::rotate_left(digest, 4) ^ u64::from(digit)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}
