//! A region in a file, for processes that have no common parent.
//!
//! The file must be a regular one with one name, belong to the process's user, and be inaccessible to others. It is
//! checked, and made if it is missing, under a `flock` that is released afterwards. All its blocks are allocated at once:
//! otherwise a page for which the file system has no room would end the process that touches it.
//!
//! A file that is truncated while it is mapped would end the process as well. So the descriptor is kept and the size
//! checked before each use, which leaves the moment in between. In a server that closes all descriptors only that check is
//! lost. The moment cannot be closed: only a memfd can be sealed against truncation, and it has no name by which unrelated
//! processes could find it; only one process can have a lease (F_SETLEASE); the handler for SIGBUS belongs to the program.
//! But only the file's user can truncate it, and that user can stop the process as well.
//!
//! After a loss of power a disk may hold an older state, in which a consumed session exists again. So a region on a disk
//! begins anew with each boot.

use core::ffi::CStr;
use core::fmt;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU64};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::shm::region::boot::boot;
use crate::shm::region::header::{initialise, is_ready};
use crate::shm::region::layout::{LEAST_BYTES, Layout, MAGIC, PAGE, PARTITIONS, VERSION, header};
use crate::shm::region::memory::{Memory, NOWHERE};
use crate::sys::files::{check_file_limit, uninterrupted};

/// How often, and how far apart, the file's lock is tried: 2 s in all, as the process that makes the file has to allocate
/// all its blocks. This happens at startup, not during a handshake.
const TRIES: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(2);
/// Bytes of a file that are allocated by one call: so few that the call ends between two signals of a profiler's timer,
/// each of which makes it begin anew.
const STEP: usize = 256 << 10;
/// The lowest descriptor that is used: some servers expect low ones to be free.
const LEAST_DESCRIPTOR: RawFd = 100;

/// Why a named region is not used: one line.
#[derive(Debug)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// The open file of a mapped region.
pub struct Watch {
    file: RawFd,
    device: libc::dev_t,
    inode: libc::ino_t,
    /// Set when the file was found truncated; it stays set in this process.
    off: AtomicBool,
    times_off: AtomicU64,
}

impl Watch {
    /// True if the file is still as long as the mapping, or if its descriptor is no longer ours.
    pub fn is_whole(&self, size: usize) -> bool {
        if self.off.load(Relaxed) {
            return false;
        }
        match self.status() {
            Some(status) if (status.st_size as u64) < size as u64 => {
                self.off.store(true, Relaxed);
                false
            }
            _ => true,
        }
    }

    /// The file's status, unless the program has closed the descriptor and perhaps reused its number.
    fn status(&self) -> Option<libc::stat> {
        let status = status(self.file).ok()?;
        (status.st_dev == self.device && status.st_ino == self.inode).then_some(status)
    }

    /// Counts a call that did nothing. The count is not in the region, whose memory may be gone.
    pub fn count_off(&self) {
        self.times_off.fetch_add(1, Relaxed);
    }

    pub fn times_off(&self) -> u64 {
        self.times_off.load(Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.status().is_some() {
            // SAFETY: `status` has found that the descriptor is still the one that `open` made.
            unsafe { libc::close(self.file) };
        }
    }
}

pub fn open(path: &Path, bytes: usize) -> Result<(Memory, Layout, Watch), Refusal> {
    open_checked(path, bytes)
        .map_err(|why| Refusal(format!("shared region {}: {why}", path.display())))
}

fn open_checked(path: &Path, bytes: usize) -> Result<(Memory, Layout, Watch), String> {
    let wanted =
        Layout::new(bytes).ok_or_else(|| format!("{bytes} bytes are too few or too many"))?;
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| "the name has a NUL in it")?;
    let file = open_file(&name).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => "is a symbolic link".to_owned(),
        _ => error.to_string(),
    })?;
    let locked = FileLock::of(file.as_raw_fd())?;
    let status = check(file.as_raw_fd())?;
    let size = status.st_size as u64;
    let boot = match is_volatile(file.as_raw_fd()) {
        true => None,
        false => Some(boot().ok_or("which boot it is of cannot be told without /proc")?),
    };
    let (memory, layout) = match size {
        0 => make(file.as_raw_fd(), wanted)?,
        _ => attach(file.as_raw_fd(), size, wanted, boot)?,
    };
    drop(locked);
    // SAFETY: `file` is open; the call only makes another descriptor.
    let kept = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, LEAST_DESCRIPTOR) };
    let watch = Watch {
        file: kept,
        device: status.st_dev,
        inode: status.st_ino,
        off: AtomicBool::new(false),
        times_off: AtomicU64::new(0),
    };
    Ok((memory, layout, watch))
}

fn open_file(name: &CStr) -> io::Result<OwnedFd> {
    // O_NONBLOCK: the file may be a FIFO without another end.
    let flags = libc::O_RDWR
        | libc::O_CREAT
        | libc::O_NOFOLLOW
        | libc::O_CLOEXEC
        | libc::O_NONBLOCK
        | libc::O_NOCTTY;
    // SAFETY: `name` is a C string, and O_CREAT has its mode.
    let open = || unsafe { libc::open(name.as_ptr(), flags, 0o600) } as isize;
    let file = uninterrupted(open);
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `file` was opened above and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(file as RawFd) })
}

fn status(file: RawFd) -> io::Result<libc::stat> {
    // SAFETY: `stat` has only integers, for which all zeros is a valid value.
    let mut status: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: `status` is a place for the answer; a number that is no descriptor is an error.
    match unsafe { libc::fstat(file, &mut status) } {
        0 => Ok(status),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Checks that the file is a regular one with one name that only this user can access.
fn check(file: RawFd) -> Result<libc::stat, String> {
    let status = status(file).map_err(|error| error.to_string())?;
    if status.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err("is not a regular file".to_owned());
    }
    // SAFETY: geteuid has no preconditions.
    if status.st_uid != unsafe { libc::geteuid() } {
        return Err(format!("belongs to user {}", status.st_uid));
    }
    if status.st_mode & 0o077 != 0 {
        return Err(format!(
            "has mode {:04o}: others may use it",
            status.st_mode & 0o7777
        ));
    }
    if status.st_nlink != 1 {
        return Err(format!("has {} names", status.st_nlink));
    }
    Ok(status)
}

/// True if the file lies in memory, so that it cannot be of an earlier boot.
fn is_volatile(file: RawFd) -> bool {
    // SAFETY: `statfs` has only integers, for which all zeros is a valid value.
    let mut about: libc::statfs = unsafe { core::mem::zeroed() };
    // SAFETY: `file` is open, and `about` a place for the answer.
    let asked = uninterrupted(|| unsafe { libc::fstatfs(file, &mut about) } as isize);
    /// RAMFS_MAGIC
    const RAMFS: u32 = 0x8584_58f6;
    // Such a number has 32 bits, and its type is another on each platform.
    asked == 0 && [libc::TMPFS_MAGIC as u32, RAMFS].contains(&(about.f_type as u32))
}

/// Allocates all blocks of a file of `size` bytes, in steps for which `ask` is given the first byte and the length; fails
/// with an error number.
fn allocate(size: usize, mut ask: impl FnMut(usize, usize) -> i32) -> Result<(), i32> {
    (0..size).step_by(STEP).try_for_each(|at| {
        let mut tries = (0..TRIES).map(|_| ask(at, STEP.min(size - at)));
        match tries.find(|&error| error != libc::EINTR) {
            Some(0) => Ok(()),
            error => Err(error.unwrap_or(libc::EINTR)),
        }
    })
}

/// Makes a region in a file that has only zeros, apart from a header that may have been begun.
fn make(file: RawFd, layout: Layout) -> Result<(Memory, Layout), String> {
    check_file_limit(layout.size)
        .map_err(|_| format!("this process may not write {} bytes", layout.size))?;
    let ask = |at, len| {
        // SAFETY: `file` is open.
        unsafe { libc::posix_fallocate(file, at as libc::off_t, len as libc::off_t) }
    };
    if let Err(error) = allocate(layout.size, ask) {
        // An empty file rather than a partial one: the next attempt then begins anew.
        // SAFETY: `file` is open, and nothing of it is mapped yet.
        uninterrupted(|| unsafe { libc::ftruncate(file, 0) } as isize);
        return Err(format!(
            "no room for {} bytes: {}",
            layout.size,
            io::Error::from_raw_os_error(error)
        ));
    }
    let memory = map(file, layout.size)?;
    match initialise(&memory, &layout) {
        true => Ok((memory, layout)),
        false => Err("the system has no random numbers".to_owned()),
    }
}

/// Uses the region in a file if it is of this `boot`, where that matters, or makes a new one there.
fn attach(
    file: RawFd,
    size: u64,
    wanted: Layout,
    boot: Option<u64>,
) -> Result<(Memory, Layout), String> {
    if size < LEAST_BYTES as u64 {
        return Err(format!("has {size} bytes, which is too few for a region"));
    }
    let head = map(file, LEAST_BYTES)?;
    let word = |at: usize| head.u64(at).load(Relaxed);
    let magic = word(header::MAGIC);
    if !is_ready(&head) && is_unused(&head, magic) {
        // The process that made the file was killed before it had finished.
        return make(file, wanted);
    }
    if magic == MAGIC.swap_bytes() {
        return Err("is a region of a machine with the other byte order".to_owned());
    }
    if magic != MAGIC {
        return Err("is not a region of sslcache".to_owned());
    }
    let version = head.u32(header::VERSION).load(Relaxed);
    if version != VERSION {
        return Err(format!(
            "is a region of layout {version}; this is layout {VERSION}"
        ));
    }
    let told = word(header::SIZE);
    let layout = usize::try_from(told)
        .ok()
        .and_then(Layout::new)
        .filter(|layout| layout.size as u64 == told);
    match layout {
        Some(layout) if is_ready(&head) && told <= size => {
            let memory = map(file, layout.size)?;
            if boot.is_none_or(|boot| boot == word(header::BOOT)) {
                return Ok((memory, layout));
            }
            // The header last: a process that is killed before leaves a region of another boot, or an unfinished one.
            memory.wipe(PAGE, layout.size);
            memory.wipe(NOWHERE, PAGE);
            make(file, wanted)
        }
        Some(_) if told > size => Err(format!("was truncated: {size} bytes of {told}")),
        _ => Err("has a damaged header".to_owned()),
    }
}

/// True if nothing but a header was written yet.
fn is_unused(head: &Memory, magic: u64) -> bool {
    let first = match magic {
        0 => 0,
        MAGIC => PAGE,
        _ => return false,
    };
    (first..PARTITIONS)
        .step_by(8)
        .all(|at| head.u64(at).load(Relaxed) == 0)
}

fn map(file: RawFd, size: usize) -> Result<Memory, String> {
    Memory::of_file(file, size).map_err(|error| format!("cannot be mapped: {error}"))
}

/// The file's lock, released on drop.
struct FileLock(RawFd);

impl FileLock {
    fn of(file: RawFd) -> Result<FileLock, String> {
        for _ in 0..TRIES {
            // SAFETY: `file` is open.
            if unsafe { libc::flock(file, libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return Ok(FileLock(file));
            }
            thread::sleep(PAUSE);
        }
        Err("another process keeps it locked".to_owned())
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // SAFETY: the descriptor outlives the lock in `open_checked`.
        unsafe { libc::flock(self.0, libc::LOCK_UN) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 256 << 10;

    fn file(name: &CStr) -> OwnedFd {
        // SAFETY: `name` is a C string.
        let file = unsafe { libc::memfd_create(name.as_ptr(), 0) };
        assert!(file >= 0);
        // SAFETY: `file` was opened above and has no other owner.
        unsafe { OwnedFd::from_raw_fd(file) }
    }

    /// After a loss of power the disk may hold sessions that were consumed long before.
    #[test]
    fn region_of_another_boot_begins_anew_and_one_of_this_boot_goes_on() {
        let file = file(c"boot");
        let file = file.as_raw_fd();
        let (small, large) = (Layout::new(SIZE).unwrap(), Layout::new(2 * SIZE).unwrap());
        let ours = boot().expect("this test needs /proc");
        let secret = |memory: &Memory, layout: Layout| {
            let places = [
                PAGE + 64,
                PARTITIONS + 640,
                layout.shard(0) + layout.heap + 800,
            ];
            places.map(|at| memory.u64(at).load(Relaxed))
        };
        let (memory, layout) = make(file, small).unwrap();
        for at in [
            PAGE + 64,
            PARTITIONS + 640,
            layout.shard(0) + layout.heap + 800,
        ] {
            memory.u64(at).store(7, Relaxed);
        }
        let size = SIZE as u64;
        for boot in [None, Some(ours)] {
            let (memory, layout) = attach(file, size, large, boot).unwrap();
            assert_eq!((secret(&memory, layout), layout), ([7; 3], small));
        }
        let (memory, layout) = attach(file, size, large, Some(ours ^ 1)).unwrap();
        assert_eq!((secret(&memory, small), layout), ([0; 3], large));
        assert!(is_ready(&memory) && memory.u64(header::BOOT).load(Relaxed) == ours);
    }

    /// Signals as of a profiler's timer; kernels differ in when a signal makes the call begin anew.
    #[test]
    fn signals_do_not_pass_for_a_lack_of_room() {
        let (mut calls, mut had) = (0, 0);
        let interrupted_twice_a_step = |at, len| {
            calls += 1;
            if calls % 3 != 0 {
                return libc::EINTR;
            }
            assert_eq!(at, had);
            had += len;
            0
        };
        let size = 3 * STEP + 4096;
        assert_eq!(allocate(size, interrupted_twice_a_step), Ok(()));
        assert_eq!((calls, had), (12, size));
        assert_eq!(allocate(size, |_, _| libc::ENOSPC), Err(libc::ENOSPC));
        assert_eq!(allocate(size, |_, _| libc::EINTR), Err(libc::EINTR));
    }
}
