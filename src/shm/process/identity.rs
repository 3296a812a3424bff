//! The identity of a process in one word, from which another process can tell whether it still lives.
//!
//! The kernel reuses process ids, so the word also has 16 bits of the time at which the process began (and of the boot of
//! the machine), and 16 bits of its pid namespace, in which alone the id is meaningful. The remaining bits belong to the
//! lock: two flags in the lower half, and the epoch.
//!
//! Nothing here waits or allocates. Without `/proc`, as after a chroot, a process is identified by its id alone.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::shm::mix::mix;
use crate::shm::region::boot::boot;
use crate::sys::files::read_beginning;
use crate::sys::forks::this_process;

/// Linux gives out no longer id.
const PID_BITS: u32 = 22;
const PID_MASK: u64 = (1 << PID_BITS) - 1;
/// So many bits of the beginning are in the lower half of the word...
const LOW_START_BITS: u32 = 8;
/// ...and so many in the upper one.
const HIGH_START_BITS: u32 = 8;
const START_BITS: u32 = LOW_START_BITS + HIGH_START_BITS;
/// The bits of the word that do not belong to the identity: flags in the lower half...
pub const FLAGS: u64 = 0b11 << (PID_BITS + LOW_START_BITS);
/// ...and an epoch in the upper one.
pub const EPOCH_SHIFT: u32 = 32 + HIGH_START_BITS;
pub const EPOCH_BITS: u32 = 8;

/// The identity that a word holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    pub pid: u32,
    /// A digest of the time at which the process began; 0: not known.
    pub start: u32,
    /// The last bits of the namespace's inode number, which the kernel gives out in turn; 0: not known.
    pub namespace: u16,
}

impl Identity {
    pub fn word(self) -> u64 {
        let start = u64::from(self.start);
        u64::from(self.pid) & PID_MASK
            | (start & ((1 << LOW_START_BITS) - 1)) << PID_BITS
            | (start >> LOW_START_BITS) << 32
            | u64::from(self.namespace) << 48
    }

    pub fn of_word(word: u64) -> Identity {
        let low = word >> PID_BITS & ((1 << LOW_START_BITS) - 1);
        let high = word >> 32 & ((1 << HIGH_START_BITS) - 1);
        Identity {
            pid: (word & PID_MASK) as u32,
            start: (high << LOW_START_BITS | low) as u32,
            namespace: (word >> 48) as u16,
        }
    }

    /// The identity of this process.
    pub fn own() -> Identity {
        static WORD: AtomicU64 = AtomicU64::new(0);
        static OF: AtomicU32 = AtomicU32::new(0);
        let process = this_process();
        // Acquire: pairs with the Release below, so that the word read is the one of this process.
        if OF.load(Ordering::Acquire) == process {
            return Identity::of_word(WORD.load(Ordering::Relaxed));
        }
        let own = Identity::find_out();
        WORD.store(own.word(), Ordering::Relaxed);
        OF.store(process, Ordering::Release);
        own
    }

    #[cold]
    fn find_out() -> Identity {
        // SAFETY: getpid has no preconditions.
        let pid = unsafe { libc::getpid() } as u32;
        // As of its first thread: `/proc/self/stat` is made up by qemu where it runs programs of another processor, with a
        // beginning that no other process sees.
        let start = match Stat::of(b"/proc/self/task/", pid) {
            Some(stat) if stat.pid == pid => digest_of(stat.start),
            _ => 0,
        };
        Identity {
            pid,
            start,
            namespace: namespace(),
        }
    }

    /// True if the process of this identity has certainly ended. Only a process of the same namespace can tell.
    pub fn has_ended(self, judge: Identity) -> bool {
        if self.namespace == 0 || self.namespace != judge.namespace || self.pid == 0 {
            return false;
        }
        if self.pid == judge.pid {
            return self.start != 0 && judge.start != 0 && self.start != judge.start;
        }
        // SAFETY: signal 0 only asks whether the process exists.
        let there = unsafe { libc::kill(self.pid as i32, 0) } == 0;
        if !there && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH) {
            return true;
        }
        // A process that does not know its own beginning has no /proc, or the one of another namespace.
        if self.start == 0 || judge.start == 0 {
            return false;
        }
        let Some(stat) = Stat::of(b"/proc/", self.pid) else {
            return false; // it may be hidden from this process
        };
        let start = digest_of(stat.start);
        stat.pid == self.pid && (stat.is_corpse() || start != 0 && start != self.start)
    }
}

fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut first = digits.len();
    while number > 0 && first > 0 {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    &digits[first..]
}

/// A digest of a process's beginning, given in clock ticks since boot; 0 if the boot is not known.
fn digest_of(start: u64) -> u32 {
    let Some(boot) = boot() else {
        return 0;
    };
    let digest = mix(start ^ boot) as u32 & ((1 << START_BITS) - 1);
    digest.max(1)
}

fn namespace() -> u16 {
    // If it cannot be read any more, it is still what it was: a fork stays in its parent's namespace.
    static KNOWN: AtomicU32 = AtomicU32::new(0);
    // SAFETY: `stat` has only integers, for which all zeros is a valid value.
    let mut status: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: the path is a C string, and `status` a place for the answer.
    if unsafe { libc::stat(c"/proc/self/ns/pid".as_ptr(), &mut status) } == 0 {
        KNOWN.store((status.st_ino as u32 & 0xffff).max(1), Ordering::Relaxed);
    }
    KNOWN.load(Ordering::Relaxed) as u16
}

/// The fields of `/proc/PID/stat` that are used here.
struct Stat {
    pid: u32,
    state: u8,
    threads: u32,
    start: u64,
}

impl Stat {
    /// That of the process or thread of this number, in this folder.
    fn of(folder: &[u8], number: u32) -> Option<Stat> {
        let (mut path, mut len, mut digits) = ([0; 32], 0, [0; 10]);
        for part in [folder, decimal(number, &mut digits), b"/stat"] {
            path.get_mut(len..len + part.len())?.copy_from_slice(part);
            len += part.len();
        }
        Stat::read(CStr::from_bytes_until_nul(&path).ok()?)
    }

    fn read(path: &CStr) -> Option<Stat> {
        let mut text = [0; 1024];
        let len = read_beginning(path, &mut text);
        Stat::parse(&text[..len])
    }

    fn parse(text: &[u8]) -> Option<Stat> {
        // The name, in parentheses, may contain any byte, also parentheses.
        let before = text.iter().position(|&byte| byte == b' ')?;
        let after = text.iter().rposition(|&byte| byte == b')')?;
        let number = |bytes: &[u8]| core::str::from_utf8(bytes).ok()?.trim().parse::<u64>().ok();
        let mut fields = text.get(after + 2..)?.split(|&byte| byte == b' ');
        Some(Stat {
            pid: number(&text[..before])? as u32,
            state: *fields.next()?.first()?,
            threads: number(fields.nth(16)?)? as u32,
            start: number(fields.nth(1)?)?,
        })
    }

    /// True if the process has ended and its parent has not waited for it. The first thread of a program may have ended
    /// before the others.
    fn is_corpse(&self) -> bool {
        matches!(self.state, b'Z' | b'X') && self.threads <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_holds_all_of_an_identity_and_neither_flag_nor_epoch() {
        let most = Identity {
            pid: (1 << 22) - 1,
            start: (1 << START_BITS) - 1,
            namespace: u16::MAX,
        };
        for identity in [
            Identity::own(),
            most,
            Identity {
                pid: 1,
                start: 0xcdef,
                namespace: 1,
            },
        ] {
            assert_eq!(Identity::of_word(identity.word()), identity);
            let epoch = ((1 << EPOCH_BITS) - 1) << EPOCH_SHIFT;
            assert_eq!(identity.word() & (FLAGS | epoch), 0);
            assert_eq!(Identity::of_word(identity.word() | FLAGS | epoch), identity);
        }
    }

    #[test]
    fn process_that_lives_has_not_ended_and_one_of_its_id_that_began_earlier_has() {
        let own = Identity::own();
        assert!(
            own.start != 0 && own.namespace != 0,
            "this test needs /proc"
        );
        // SAFETY: getppid has no preconditions.
        let parent = unsafe { libc::getppid() } as u32;
        let mut path = std::format!("/proc/{parent}/stat").into_bytes();
        path.push(0);
        let start = Stat::read(CStr::from_bytes_until_nul(&path).unwrap())
            .unwrap()
            .start;
        let parent = Identity {
            pid: parent,
            start: digest_of(start),
            namespace: own.namespace,
        };
        assert!(!parent.has_ended(own));
        assert!(!own.has_ended(own));
        assert!(
            Identity {
                start: parent.start ^ 2,
                ..parent
            }
            .has_ended(own)
        );
        assert!(
            Identity {
                start: own.start ^ 2,
                ..own
            }
            .has_ended(own)
        );
        // A process with an unknown beginning, or of another namespace, is not judged.
        assert!(!Identity { start: 0, ..parent }.has_ended(own));
        let elsewhere = own.namespace ^ 1;
        assert!(
            !Identity {
                start: parent.start ^ 2,
                namespace: elsewhere,
                ..parent
            }
            .has_ended(own)
        );
    }

    #[test]
    fn child_sees_that_its_parent_lives() {
        let own = Identity::own();
        // SAFETY: the child only asks for the state of processes.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let has_ended = own.has_ended(Identity::own());
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(has_ended)) };
        }
        let mut status = -1;
        // SAFETY: our child, and a place for its status.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
    }

    #[test]
    fn process_that_was_killed_has_ended_before_and_after_its_parent_asks_for_it() {
        let own = Identity::own();
        // SAFETY: the child only waits to be killed.
        let child = unsafe { libc::fork() };
        if child == 0 {
            loop {
                // SAFETY: pause has no preconditions.
                unsafe { libc::pause() };
            }
        }
        let path = std::ffi::CString::new(std::format!("/proc/{child}/stat")).unwrap();
        let start = digest_of(Stat::read(&path).unwrap().start);
        let there = Identity {
            pid: child as u32,
            start,
            namespace: own.namespace,
        };
        assert!(!there.has_ended(own));
        // SAFETY: our child.
        unsafe { libc::kill(child, libc::SIGKILL) };
        while !there.has_ended(own) {
            std::thread::yield_now();
        }
        assert!(Stat::read(&path).unwrap().is_corpse());
        // SAFETY: our child.
        unsafe { libc::waitpid(child, core::ptr::null_mut(), 0) };
        assert!(there.has_ended(own));
    }

    #[test]
    fn name_of_a_program_does_not_confuse() {
        let text = b"12 (a) Z (b)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 7 18 99 20";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(
            (stat.pid, stat.state, stat.threads, stat.start),
            (12, b'S', 7, 99)
        );
        assert!(Stat::parse(b"").is_none() && Stat::parse(b"1 (x").is_none());
    }
}
