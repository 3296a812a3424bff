//! A region in a file, for processes that have no common parent.
//!
//! The file is ours alone: a regular one with one name, of our own user, that nobody else may read. It is checked, and
//! made where there is none, under a `flock` that nobody needs later. All its blocks are had at once: a page that the
//! file system had no room for would otherwise end the process that touches it.
//!
//! So would a file that is truncated while it is mapped. The descriptor is kept, and the size looked at before each
//! use, which leaves the moment in between. Servers that close all descriptors lose that check and nothing else. The
//! moment cannot be closed: only a memfd can be sealed against being truncated, and it has no name by which unrelated
//! processes find it; a lease (F_SETLEASE) is had by one process alone; a handler for SIGBUS is the program's to set.
//! Who may write the file is its user, though, who may stop the process as well.
//!
//! What a disk has kept over a loss of power may be older than what was there: a session that was used up would be there
//! again. So a region begins anew with each boot, unless its file system has none that is older.

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

/// How often, and how far apart, the file's lock is tried: 2 s in all, as whoever makes the file has to have all its
/// blocks. It is the time of starting, and of no handshake.
const TRIES: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(2);
/// Bytes of a file whose blocks are asked for at once: so few that a timer whose signal comes again and again, and begins
/// the call anew, leaves time for them.
const STEP: usize = 256 << 10;
/// From here on descriptors are looked for: servers expect some of the low ones for themselves.
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
    /// Found to be shorter once: off for good, in this process.
    off: AtomicBool,
    times_off: AtomicU64,
}

impl Watch {
    /// Whether the file is still as long as what is mapped of it; yes, where its descriptor is not ours any more.
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

    /// The file's status, unless the descriptor was closed, and perhaps given to another file, by the program.
    fn status(&self) -> Option<libc::stat> {
        let status = status(self.file).ok()?;
        (status.st_dev == self.device && status.st_ino == self.inode).then_some(status)
    }

    /// Counts a call that did nothing; not in the region, which may be what is gone.
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
            // SAFETY: still our descriptor.
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
    // SAFETY: a descriptor of ours.
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
    // Not to wait for the other end of a FIFO.
    let flags = libc::O_RDWR
        | libc::O_CREAT
        | libc::O_NOFOLLOW
        | libc::O_CLOEXEC
        | libc::O_NONBLOCK
        | libc::O_NOCTTY;
    // SAFETY: a path, flags and a mode.
    let open = || unsafe { libc::open(name.as_ptr(), flags, 0o600) } as isize;
    let file = uninterrupted(open);
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(file as RawFd) })
}

fn status(file: RawFd) -> io::Result<libc::stat> {
    // SAFETY: all zeros is a value of it.
    let mut status: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: a place for the answer; a descriptor that is none is an error.
    match unsafe { libc::fstat(file, &mut status) } {
        0 => Ok(status),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The rules for the file.
fn check(file: RawFd) -> Result<libc::stat, String> {
    let status = status(file).map_err(|error| error.to_string())?;
    if status.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err("is not a regular file".to_owned());
    }
    // SAFETY: no arguments.
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

/// Whether the file lies in memory, so that nothing in it is of an earlier boot.
fn is_volatile(file: RawFd) -> bool {
    // SAFETY: all zeros is a value of it.
    let mut about: libc::statfs = unsafe { core::mem::zeroed() };
    // SAFETY: a place for the answer, and a descriptor of ours.
    let asked = uninterrupted(|| unsafe { libc::fstatfs(file, &mut about) } as isize);
    /// RAMFS_MAGIC
    const RAMFS: i64 = 0x8584_58f6;
    asked == 0 && [libc::TMPFS_MAGIC, RAMFS].contains(&about.f_type)
}

/// Has all blocks of so many bytes, by `ask` for those from one byte on; or the number of an error.
fn allocate(size: usize, mut ask: impl FnMut(usize, usize) -> i32) -> Result<(), i32> {
    (0..size).step_by(STEP).try_for_each(|at| {
        let mut tries = (0..TRIES).map(|_| ask(at, STEP.min(size - at)));
        match tries.find(|&error| error != libc::EINTR) {
            Some(0) => Ok(()),
            error => Err(error.unwrap_or(libc::EINTR)),
        }
    })
}

/// Makes a file that is all zeros, but for a header that was begun, a region.
fn make(file: RawFd, layout: Layout) -> Result<(Memory, Layout), String> {
    check_file_limit(layout.size)
        .map_err(|_| format!("this process may not write {} bytes", layout.size))?;
    let ask = |at, len| {
        // SAFETY: a descriptor of ours.
        unsafe { libc::posix_fallocate(file, at as libc::off_t, len as libc::off_t) }
    };
    if let Err(error) = allocate(layout.size, ask) {
        // Nothing, rather than a part: another attempt then begins anew.
        // SAFETY: a descriptor of ours.
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

/// Uses the region in a file, where it is of this boot, if there is one to be told; or makes one there.
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
        // Whoever made it was killed before it was there.
        return make(file, wanted);
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
            // The header last: whoever is killed before leaves a region of another boot, or one that was just begun.
            memory.wipe(PAGE, layout.size);
            memory.wipe(NOWHERE, PAGE);
            make(file, wanted)
        }
        Some(_) if told > size => Err(format!("was truncated: {size} bytes of {told}")),
        _ => Err("has a damaged header".to_owned()),
    }
}

/// Whether nothing was written yet, or only the header.
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

/// The file's lock, let go when dropped.
struct FileLock(RawFd);

impl FileLock {
    fn of(file: RawFd) -> Result<FileLock, String> {
        for _ in 0..TRIES {
            // SAFETY: a descriptor of ours.
            if unsafe { libc::flock(file, libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return Ok(FileLock(file));
            }
            thread::sleep(PAUSE);
        }
        Err("somebody keeps it locked".to_owned())
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // SAFETY: a descriptor of ours.
        unsafe { libc::flock(self.0, libc::LOCK_UN) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 256 << 10;

    fn file(name: &CStr) -> OwnedFd {
        // SAFETY: a name and no flags.
        let file = unsafe { libc::memfd_create(name.as_ptr(), 0) };
        assert!(file >= 0);
        // SAFETY: just opened, and nobody else's.
        unsafe { OwnedFd::from_raw_fd(file) }
    }

    /// After a loss of power the disk may have what was used up long since.
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

    /// As of a profiler's timer; kernels differ in when a signal makes the call begin anew.
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
