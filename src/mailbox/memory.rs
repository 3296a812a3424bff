//! How a mailbox is made, checked and mapped, and whether anybody still uses it.

use core::fmt;
use core::sync::atomic::Ordering::Relaxed;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::layout::{BYTES, MAGIC, VERSION, header};
use crate::shm::Memory;
use crate::sys::files::check_file_limit;

/// The size of a mailbox.
pub const MAILBOX_BYTES: usize = BYTES;

/// The seals that every mailbox has: its size does not change.
const SEALS: i32 = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;

/// A mailbox, mapped.
pub struct Mailbox {
    pub(super) memory: Memory,
}

impl Mailbox {
    /// Makes a mailbox, and the descriptor that is sent to the agent. Fails where the kernel has no memfd with seals, or where
    /// a policy forbids it.
    pub fn make() -> io::Result<(Self, OwnedFd)> {
        check_file_limit(BYTES)?;
        let file = make_file()?;
        // SAFETY: `file` is a descriptor; these calls take no pointer.
        let sealed = unsafe {
            libc::ftruncate(file.as_raw_fd(), BYTES as libc::off_t) == 0
                && libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) == 0
        };
        if !sealed {
            return Err(io::Error::last_os_error());
        }
        let memory = Memory::of_file(file.as_raw_fd(), BYTES)?;
        memory.u32(header::VERSION).store(VERSION, Relaxed);
        memory.u64(header::MAGIC).store(MAGIC, Relaxed);
        Ok((Self { memory }, file))
    }
}

fn make_file() -> io::Result<OwnedFd> {
    /// Says that nothing in the file is to be executed, which some systems demand; unknown to Linux before 6.3.
    const MFD_NOEXEC_SEAL: libc::c_uint = 8;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string.
    let make = |flags| unsafe { libc::memfd_create(c"sslcache-mailbox".as_ptr(), flags) };
    let made = [flags | MFD_NOEXEC_SEAL, flags]
        .into_iter()
        .map(make)
        .find(|&file| file >= 0);
    match made {
        // SAFETY: `file` was made above and has no other owner.
        Some(file) => Ok(unsafe { OwnedFd::from_raw_fd(file) }),
        None => Err(io::Error::last_os_error()),
    }
}

/// Why something that a process has sent is no mailbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal(&'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refusal {}

/// The agent's end of a mailbox that a process has sent.
pub struct AgentEnd {
    file: OwnedFd,
    /// `None` while it is not mapped.
    mailbox: Option<Mailbox>,
}

impl AgentEnd {
    /// Checks and maps what a process has sent, which may be anything.
    pub fn of_peer(file: OwnedFd) -> Result<Self, Refusal> {
        // SAFETY: `file` is a descriptor; the call takes no pointer. Anything but a memfd has no seals, which is an error.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        if seals < 0 {
            return Err(Refusal("what was sent is no memfd"));
        }
        if seals & SEALS != SEALS {
            return Err(Refusal("its size is not sealed"));
        }
        if size_of_file(&file) != Some(BYTES as u64) {
            return Err(Refusal(
                "it has not the size of a mailbox of this version of sslcache",
            ));
        }
        let mailbox = map(&file).ok_or(Refusal("it cannot be mapped for writing"))?;
        if mailbox.memory.u64(header::MAGIC).load(Relaxed) != MAGIC {
            return Err(Refusal("it is not a mailbox of sslcache"));
        }
        if mailbox.memory.u32(header::VERSION).load(Relaxed) != VERSION {
            return Err(Refusal("it is of another version of sslcache"));
        }
        Ok(Self {
            file,
            mailbox: Some(mailbox),
        })
    }

    /// The mailbox; `None` once it [is abandoned](Self::is_abandoned).
    pub fn mailbox(&self) -> Option<&Mailbox> {
        self.mailbox.as_ref()
    }

    /// The descriptor.
    pub fn file(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.file)
    }

    /// The device and inode, by which two descriptors of one mailbox are recognised.
    pub fn identity(&self) -> Option<(u64, u64)> {
        let status = status_of(&self.file)?;
        Some((status.st_dev, status.st_ino))
    }

    /// True if no process has the mailbox mapped any more. It is of no further use then.
    ///
    /// The kernel seals a memfd against writing only if nobody has it mapped for writing. So the agent's own mapping is
    /// given up for the moment of the question.
    pub fn is_abandoned(&mut self) -> bool {
        self.mailbox = None;
        let file = self.file.as_raw_fd();
        // SAFETY: `file` is a descriptor; the call takes no pointer.
        unsafe { libc::fcntl(file, libc::F_ADD_SEALS, libc::F_SEAL_WRITE) };
        // Fails if it is sealed.
        self.mailbox = map(&self.file);
        self.mailbox.is_none()
    }
}

fn map(file: &OwnedFd) -> Option<Mailbox> {
    let memory = Memory::of_file(file.as_raw_fd(), BYTES).ok()?;
    Some(Mailbox { memory })
}

fn size_of_file(file: &OwnedFd) -> Option<u64> {
    u64::try_from(status_of(file)?.st_size).ok()
}

fn status_of(file: &OwnedFd) -> Option<libc::stat> {
    // SAFETY: `stat` has only integers, for which all zeros is a valid value.
    let mut status: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: `status` is a place for the answer.
    let asked = unsafe { libc::fstat(file.as_raw_fd(), &mut status) };
    (asked == 0).then_some(status)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::sys::program;

    fn memfd(bytes: i64, seals: i32) -> OwnedFd {
        let file = make_file().unwrap();
        // SAFETY: `file` is a descriptor; these calls take no pointer.
        unsafe {
            assert_eq!(libc::ftruncate(file.as_raw_fd(), bytes), 0);
            assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals), 0);
        }
        file
    }

    #[test]
    fn only_a_sealed_mailbox_is_taken() {
        let (_mailbox, file) = Mailbox::make().unwrap();
        assert!(AgentEnd::of_peer(file).is_ok());
        let refused = |file| AgentEnd::of_peer(file).err().map(|why| why.to_string());
        let whole = BYTES as i64;
        for (file, why) in [
            (File::open("/dev/null").unwrap().into(), "no memfd"),
            (memfd(whole, 0), "not sealed"),
            (memfd(whole, libc::F_SEAL_SHRINK), "not sealed"),
            (memfd(whole - 1, SEALS), "the size"),
            (memfd(1 << 40, SEALS), "the size"),
            (memfd(whole, SEALS), "not a mailbox"),
            (memfd(whole, SEALS | libc::F_SEAL_WRITE), "cannot be mapped"),
        ] {
            let said = refused(file).unwrap();
            assert!(said.contains(why), "{said}: {why}");
        }
    }

    #[test]
    fn a_low_limit_of_file_sizes_is_an_error_and_no_signal() {
        let output = program::of_test("mailbox::memory::tests::process_with_a_low_limit")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    #[test]
    #[ignore = "a process of its own, for the test above"]
    fn process_with_a_low_limit() {
        let limit = libc::rlimit {
            rlim_cur: BYTES as u64 - 1,
            rlim_max: BYTES as u64 - 1,
        };
        // SAFETY: `limit` lives during the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
        assert!(Mailbox::make().is_err());
    }

    #[test]
    fn the_size_of_a_mailbox_stays() {
        let (_mailbox, file) = Mailbox::make().unwrap();
        for size in [0, BYTES as i64 - 4096, BYTES as i64 + 4096] {
            // SAFETY: `file` is a descriptor; the call takes no pointer.
            assert_eq!(unsafe { libc::ftruncate(file.as_raw_fd(), size) }, -1);
        }
    }

    #[test]
    fn a_mailbox_is_abandoned_when_the_last_mapping_is_gone() {
        let (mailbox, file) = Mailbox::make().unwrap();
        let mut end = AgentEnd::of_peer(file).unwrap();
        assert!(!end.is_abandoned() && end.mailbox().is_some());
        end.mailbox().unwrap().beat(7);
        assert_eq!(mailbox.last_beat(), 7);
        drop(mailbox);
        assert!(end.is_abandoned() && end.mailbox().is_none());
        assert!(end.is_abandoned());
    }
}
