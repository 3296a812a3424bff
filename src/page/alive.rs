//! Whether a process of a page still exists: the kernel reuses ids, and a process that executes another program keeps its
//! id and its beginning.
//!
//! An id is reused only after its process has ended. So the process that had the id at some moment still exists if the
//! process that has it now began no later. To record that moment takes no `/proc`, which a process may have lost by a chroot
//! or with its rights. That the process still runs the program of the page is told by its memory map, which has the page.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::maps::{about, maps, our_number};
use crate::sys::clock;

/// The pid namespace in which a machine begins: all others are within it.
const FIRST_NAMESPACE: u64 = 0xefff_fffc;

/// The present tick, counted like the beginnings of processes; never 0.
pub fn tick() -> u64 {
    /// USER_HZ, the unit of /proc on all machines that are supported.
    const TICKS_A_SECOND: u64 = 100;
    let now = clock::of(libc::CLOCK_BOOTTIME);
    let part = u64::from(now.subsec_nanos()) / (1_000_000_000 / TICKS_A_SECOND);
    (now.as_secs() * TICKS_A_SECOND + part).max(1)
}

/// True if the process that took a slot of a page with this id at a tick (0: unknown) exists and still has the page, a file
/// of this name, or if that cannot be told. The id is of this process's pid namespace. It allocates nothing, as it runs in
/// the child of a process with threads.
pub fn is_of_page(pid: u32, taken: u64, page: &[u8]) -> bool {
    exists(pid)
        // A /proc of another pid namespace would tell of another process with this id.
        && (!proc_is_ours()
            || about(pid).is_none_or(|now| {
                let is_the_same = taken == 0 || now.began <= taken;
                is_the_same && maps(pid, page, &now) != Some(false)
            }))
}

/// True if a process has this id.
fn exists(pid: u32) -> bool {
    let Ok(number) = i32::try_from(pid) else {
        return false;
    };
    // SAFETY: signal 0 only asks whether the process exists.
    let asked = unsafe { libc::kill(number, 0) };
    asked == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// True if /proc is there and shows processes by the ids that they have for this one: after `unshare --pid` it may still be
/// that of another pid namespace.
pub fn proc_is_ours() -> bool {
    our_number() == Some(std::process::id())
}

/// The pid namespace of this process; 0 if it cannot be read.
pub fn namespace() -> u64 {
    namespace_in("/proc/self/ns/pid")
}

/// The pid namespace that a file of /proc names; 0 if it cannot be read.
pub fn namespace_in(path: &str) -> u64 {
    fs::metadata(path).map_or(0, |about| about.ino())
}

/// True if /proc shows this process every process of the machine.
pub fn sees_all() -> bool {
    namespace() == FIRST_NAMESPACE && proc_is_ours()
}

/// A digest of the boot in which ticks are counted; 0 if it cannot be read.
pub fn boot() -> u64 {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits = id.chars().filter_map(|digit| digit.to_digit(16));
    digits.fold(0, |digest, digit| {
        (u64::rotate_left(digest, 4) ^ u64::from(digit)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}
