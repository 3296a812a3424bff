//! How a mailbox is made, checked and mapped, and whether anybody still uses it.

use core::fmt;
use core::sync::atomic::Ordering::Relaxed;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// For fuzzers: what either side may do to what both write to.
#[cfg(fuzzing)]
impl Mailbox {
    /// Changes a word.
    pub fn scribble(&self, at: usize, change: impl FnOnce(u64) -> u64) {
        self.memory.scribble(at, change);
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

/// The agent's end of a mailbox that a process has sent. The agent maps it only while it publishes keys, because its own mapping
/// would hide whether a process still has one.
pub struct AgentEnd {
    file: Arc<OwnedFd>,
}

impl AgentEnd {
    /// Checks what a process has sent, which may be anything.
    pub fn of_peer(file: OwnedFd) -> Result<Self, Refusal> {
        // SAFETY: `file` is a descriptor; the call takes no pointer. Anything but a memfd has no seals, which is an error.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        if seals < 0 {
            return Err(Refusal("what was sent is no memfd"));
        }
        if seals & SEALS != SEALS {
            return Err(Refusal("its size is not sealed"));
        }
        if seals & libc::F_SEAL_SEAL != 0 {
            return Err(Refusal("it cannot be sealed, by which its end is told"));
        }
        if size_of_file(&file) != Some(BYTES as u64) {
            return Err(Refusal(
                "it has not the size of a mailbox of this version of sslcache",
            ));
        }
        let end = Self {
            file: Arc::new(file),
        };
        let mailbox = end
            .open()
            .ok_or(Refusal("it cannot be mapped for writing"))?;
        if mailbox.memory.u64(header::MAGIC).load(Relaxed) != MAGIC {
            return Err(Refusal("it is not a mailbox of sslcache"));
        }
        if mailbox.memory.u32(header::VERSION).load(Relaxed) != VERSION {
            return Err(Refusal("it is of another version of sslcache"));
        }
        Ok(end)
    }

    /// Maps the mailbox; `None` if it is sealed by now.
    pub fn open(&self) -> Option<Mailbox> {
        let memory = Memory::of_file(self.file.as_raw_fd(), BYTES).ok()?;
        Some(Mailbox { memory })
    }

    /// Notes that the agent is at work in the second `now`.
    pub fn beat(&self, now: i64) {
        let second = (now.max(0) as u64).to_ne_bytes();
        let (file, at) = (self.file.as_raw_fd(), header::BEAT as libc::off_t);
        // SAFETY: `second` is a live array of 8 bytes. The mailbox is not mapped for this; a sealed one is not written to.
        unsafe { libc::pwrite(file, second.as_ptr().cast(), second.len(), at) };
    }

    /// The descriptor.
    pub fn file(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&*self.file)
    }

    /// The descriptor, for the ear as well.
    pub(super) fn file_of_both(&self) -> Arc<OwnedFd> {
        self.file.clone()
    }

    /// The device and inode, by which two descriptors of one mailbox are recognised.
    pub fn identity(&self) -> Option<(u64, u64)> {
        let status = status_of(&self.file)?;
        Some((status.st_dev, status.st_ino))
    }

    /// The question whether any process still has the mailbox, to be asked in a thread that may wait.
    pub fn question(&self) -> io::Result<Question> {
        Ok(Question(self.file.try_clone()?))
    }
}

/// The question whether any process still has a mailbox.
pub struct Question(OwnedFd);

/// The answer to a [`Question`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A process has it mapped.
    InUse,
    /// No process has it mapped, or it cannot be told any more: the mailbox is of no further use.
    Abandoned,
    /// The kernel had to wait, because something other than a mapping uses pages of the mailbox: a pipe, for example.
    Late,
}

impl Question {
    /// Asks. The kernel seals a memfd against writing only if nobody has it mapped for writing; where something else uses its
    /// pages it waits a while for them.
    pub fn ask(&self) -> Answer {
        /// Far longer than the answer takes, and shorter than the kernel waits.
        const SOON: Duration = Duration::from_millis(100);
        let start = Instant::now();
        // SAFETY: `self` holds a descriptor; the call takes no pointer.
        let sealed =
            unsafe { libc::fcntl(self.0.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_WRITE) };
        let is_busy = sealed != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EBUSY);
        match (is_busy, start.elapsed() > SOON) {
            (false, _) => Answer::Abandoned,
            (true, false) => Answer::InUse,
            (true, true) => Answer::Late,
        }
    }
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
            (memfd(whole, SEALS | libc::F_SEAL_SEAL), "cannot be sealed"),
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
    fn a_mailbox_that_cannot_be_sealed_any_more_is_given_up() {
        let (_mailbox, file) = Mailbox::make().unwrap();
        let end = AgentEnd::of_peer(file.try_clone().unwrap()).unwrap();
        // SAFETY: `file` is a descriptor; the call takes no pointer.
        let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SEAL) };
        assert_eq!(sealed, 0);
        assert_eq!(end.question().unwrap().ask(), Answer::Abandoned);
    }

    #[test]
    fn a_mailbox_whose_pages_are_in_use_elsewhere_is_late() {
        let (mailbox, file) = Mailbox::make().unwrap();
        let end = AgentEnd::of_peer(file.try_clone().unwrap()).unwrap();
        let mut pipe = [0; 2];
        let none = core::ptr::null_mut();
        // SAFETY: the pipe's descriptors are written to `pipe`; splice gets descriptors and no offsets.
        unsafe {
            assert_eq!(libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC), 0);
            assert_eq!(
                libc::splice(file.as_raw_fd(), none, pipe[1], none, 4096, 0),
                4096
            );
        }
        drop(mailbox);
        assert_eq!(end.question().unwrap().ask(), Answer::Late);
        // SAFETY: nothing else uses the pipe.
        unsafe { (libc::close(pipe[0]), libc::close(pipe[1])) };
        assert_eq!(end.question().unwrap().ask(), Answer::Abandoned);
    }

    #[test]
    fn a_mailbox_is_abandoned_when_the_last_mapping_is_gone() {
        let (mailbox, file) = Mailbox::make().unwrap();
        let end = AgentEnd::of_peer(file).unwrap();
        let question = end.question().unwrap();
        assert_eq!(question.ask(), Answer::InUse);
        end.beat(7);
        assert_eq!(mailbox.last_beat(), 7);
        assert!(end.open().is_some());
        drop(mailbox);
        assert_eq!(question.ask(), Answer::Abandoned);
        assert!(end.open().is_none());
        assert_eq!(question.ask(), Answer::Abandoned);
    }
}
