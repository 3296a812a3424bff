//! Whether a process still exists, from its id and a moment at which it had the id, as the kernel reuses ids.
//!
//! An id is reused only after its process has ended. So the process that had the id at some moment still exists if the
//! process that has it now began no later. To record that moment takes no `/proc`, which a process may have lost by a chroot
//! or with its rights.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// When a process began, in ticks since the boot; `None` if that cannot be read.
pub fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain blanks and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// The present tick, counted like the beginnings of processes; never 0.
pub fn tick() -> u64 {
    /// USER_HZ, the unit of /proc on all machines that are supported.
    const TICKS_A_SECOND: u64 = 100;
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    let part = now.tv_nsec as u64 / (1_000_000_000 / TICKS_A_SECOND);
    (now.tv_sec as u64 * TICKS_A_SECOND + part).max(1)
}

/// True if the process that had this id at a tick (0: unknown) exists, or if that cannot be told.
pub fn is_alive(pid: u32, at: u64) -> bool {
    let Ok(number) = i32::try_from(pid) else {
        return false;
    };
    // SAFETY: signal 0 only asks whether the process exists.
    let asked = unsafe { libc::kill(number, 0) };
    if asked != 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH) {
        return false;
    }
    at == 0 || start_of(pid).is_none_or(|start| start <= at)
}

/// The pid namespace of this process; 0 if it cannot be read.
pub fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |about| about.ino())
}

/// A digest of the boot in which ticks are counted; 0 if it cannot be read.
pub fn boot() -> u64 {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits = id.chars().filter_map(|digit| digit.to_digit(16));
    digits.fold(0, |digest, digit| {
        (u64::rotate_left(digest, 4) ^ u64::from(digit)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}
