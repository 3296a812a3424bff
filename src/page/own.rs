//! The file of this process tree, and this process's slot in it. `publishing` is what it writes there, and the requests that
//! it reads.

mod publishing;
#[cfg(test)]
mod tests;

use core::ops::Range;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::Relaxed,
    Ordering::{AcqRel, Acquire, Release},
};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process;

use once_cell::race::OnceBox;

use super::alive::{boot, is_of_page, namespace, tick};
use super::figures::NUMBER;
use super::folder::Folder;
use super::layout::{self, BYTES, MAGIC, SLOTS, VERSION, header, slot as place, slot_at};
use super::sweep::{sweep, sweep_of};
use crate::sys::clock;
use crate::sys::files::check_file_limit;
use crate::sys::forks::this_process;
use crate::sys::mapping::{Mapping, carry};
pub use publishing::{
    ASKED_EVERY_MS, Slot, contexts_shown, flushes, is_first_to_flush, orders, publish_region, slot,
};

/// The description of the whole tree.
pub struct About<'a> {
    /// The version of the library.
    pub version: &'a str,
    /// How sslcache was loaded, and the host library.
    pub form: &'a str,
    /// The settings in force, one a line.
    pub settings: &'a str,
}

/// The words of the page, and the mapped file that they are copied to.
struct Page {
    words: Mapping,
    file: Mapping,
    path: PathBuf,
    /// Device and inode of the file, as the path may come to mean another one.
    inode: (u64, u64),
    /// The process that made it.
    maker: u32,
}

static PAGE: OnceBox<Option<Page>> = OnceBox::new();
/// The first word of this process's slot; 0 if it has none.
static SLOT: AtomicUsize = AtomicUsize::new(0);
/// The number of the process for which `SLOT` was set.
static LOOKED_IN: AtomicU32 = AtomicU32::new(0);

/// The lowest descriptor that is used: some programs expect low ones to be free.
const LEAST_DESCRIPTOR: i32 = 100;
/// When every slot is taken by the living, how long no process looks for one again, in ticks: it would read the memory maps
/// of all of them.
const FULL_FOR: u64 = 100;

/// Makes the file, once in a process tree. If that fails, the processes go on without it.
pub fn make(about: &About<'_>) {
    PAGE.get_or_init(|| {
        let page = make_file(about).ok();
        if page.is_some() {
            // A child has its slot from its first moment, and is expected until then: if its parent ends at once, as a
            // process does that becomes a daemon, the file would otherwise seem abandoned.
            // SAFETY: both functions belong to this library, which is never unloaded.
            unsafe { libc::pthread_atfork(Some(expect_child), None, Some(claim_in_child)) };
        }
        Box::new(page)
    });
}

fn make_file(about: &About<'_>) -> io::Result<Page> {
    check_file_limit(BYTES)?;
    let words = Mapping::shared(BYTES)?;
    let folder = Folder::ours()?;
    sweep(&folder);
    let (name, file) = folder.make(process::id(), tick())?;
    let path = folder.path_of(&name);
    let shown = show_in(&file, words, path, about);
    if shown.is_err() {
        folder.remove(&name);
    }
    shown
}

fn show_in(file: &File, words: Mapping, path: PathBuf, about: &About<'_>) -> io::Result<Page> {
    // Its blocks are allocated when they are copied to; a failure there is an error of the copying call.
    file.set_len(BYTES as u64)?;
    let known = file.metadata()?;
    let page = Page {
        words,
        file: Mapping::of_file(file.as_raw_fd(), BYTES)?,
        path,
        inode: (known.dev(), known.ino()),
        maker: process::id(),
    };
    if namespace() == 0 {
        keep_locked(file)?;
    }
    match page.describe(about, known.uid()) {
        true => Ok(page),
        // There is no room, or a sandbox forbids the copying call.
        false => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Locks the file for as long as this process, or one forked from it, has the descriptor: without `/proc` nothing else
/// tells other processes that the page is in use.
fn keep_locked(file: &File) -> io::Result<()> {
    let fd = file.as_raw_fd();
    // SAFETY: `fd` is open; the call only makes another descriptor.
    let kept = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, LEAST_DESCRIPTOR) };
    // SAFETY: `kept` was made above. The lock belongs to the open file, and stays while `kept` is open.
    match kept >= 0 && unsafe { libc::flock(kept, libc::LOCK_SH | libc::LOCK_NB) } == 0 {
        true => Ok(()),
        false => Err(io::Error::last_os_error()),
    }
}

impl Page {
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < layout::WORDS);
        // SAFETY: `at` lies within the mapping by the check above; the mapping is aligned to a page, and every process
        // accesses it through atomics only.
        unsafe { self.words.base().cast().add(at).as_ref() }
    }

    /// Copies some words to the file. Returns whether that succeeded.
    fn show(&self, words: Range<usize>) -> bool {
        assert!(words.end <= layout::WORDS);
        let (first, len) = (words.start * 8, words.len() * 8);
        // SAFETY: the range lies within both mappings by the check above. No reference to the file's mapping exists; a word
        // that changes meanwhile is copied as it was before or after.
        unsafe {
            carry(
                self.file.base().add(first),
                self.words.base().add(first),
                len,
            )
        }
    }

    fn show_slot(&self, at: usize) {
        self.show(at..at + place::WORDS);
    }

    /// Copies the header's counts of all processes, but not the words that other processes write.
    fn show_counts(&self) {
        self.show(header::UNSEEN..header::FLUSH);
        self.show(header::FLUSHED..header::TEXT);
    }

    /// What was asked for, if the file can be read.
    fn asked(&self) -> Option<[u64; header::REQUESTS_NUMBER]> {
        let mut asked = [0; header::REQUESTS_NUMBER];
        // SAFETY: the words lie within the file's mapping, and `asked` is a place for them to which nothing else refers.
        let told = unsafe {
            let file = self.file.base().add(header::FLUSH * 8);
            carry(
                ptr::NonNull::from(&mut asked).cast(),
                file,
                size_of_val(&asked),
            )
        };
        told.then_some(asked)
    }

    fn describe(&self, about: &About<'_>, user: u32) -> bool {
        let text = format!("{}\n{}\n{}", about.version, about.form, about.settings);
        let room = (header::WORDS - header::TEXT) * 8 - 1;
        let chunks = text.as_bytes().chunks(8).take(room / 8);
        for (at, chunk) in chunks.enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(header::TEXT + at)
                .store(u64::from_ne_bytes(word), Relaxed);
        }
        self.word(header::PIDS).store(namespace(), Relaxed);
        self.word(header::USER).store(user.into(), Relaxed);
        self.word(header::MADE).store(seconds(), Relaxed);
        self.word(header::BOOT).store(boot(), Relaxed);
        self.word(header::VERSION).store(VERSION, Relaxed);
        self.word(header::MAGIC).store(MAGIC, Relaxed);
        // The magic last: a reader that sees it sees the rest, and the process that has the page.
        self.show(header::MAGIC + 1..header::WORDS) && {
            claim(self);
            self.show(header::MAGIC..header::MAGIC + 1)
        }
    }

    fn slots(&self) -> impl Iterator<Item = usize> {
        (0..SLOTS).map(slot_at)
    }

    /// Takes a slot for the process `pid`: a free one, or that of a process that died without releasing it. It allocates
    /// nothing and takes no lock, as it runs in the child of a process with threads.
    fn take(&self, pid: u32) -> Option<usize> {
        let take = |at: usize, from: u32| {
            let slot = self.word(at + place::PID);
            // AcqRel: the last owner's changes to the slot are seen.
            slot.compare_exchange(from.into(), pid.into(), AcqRel, Relaxed)
                .is_ok()
        };
        let free = self.slots().find(|&at| take(at, 0));
        free.or_else(|| {
            let full = self.word(header::FULL);
            let (now, last) = (tick(), full.load(Relaxed));
            if last != 0 && now < last.saturating_add(FULL_FOR) {
                return None;
            }
            let left = self.slots().find(|&at| {
                let last = self.word(at + place::PID).load(Relaxed) as u32;
                last != 0 && !self.may_be_used(at) && take(at, last)
            });
            match left {
                Some(left) => self.keep_counts(left),
                None => full.store(now, Relaxed),
            }
            left
        })
    }

    /// False if the process that took a slot is known to be gone, or to run another program.
    fn may_be_used(&self, at: usize) -> bool {
        let pid = self.word(at + place::PID).load(Relaxed) as u32;
        if pid == 0 {
            return false;
        }
        let of = match self.word(at + place::PIDS).load(Relaxed) {
            0 => self.word(header::PIDS).load(Relaxed),
            of => of,
        };
        let ours = namespace();
        // In another namespace the id means another process.
        ours == 0
            || of != ours
            || is_of_page(
                pid,
                self.word(at + place::TAKEN).load(Relaxed),
                self.name().as_bytes(),
            )
    }

    /// The name of the file.
    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Releases a slot.
    fn release(&self, at: usize) {
        self.keep_counts(at);
        // Release: the next owner finds the slot empty.
        self.word(at + place::PID).store(0, Release);
        self.show_slot(at);
        self.show_counts();
    }

    /// Empties a slot, and adds its counts to those of departed processes.
    fn keep_counts(&self, at: usize) {
        for number in 0..NUMBER {
            let counted = self.word(at + place::FIGURES + number).swap(0, Relaxed);
            self.word(header::DEPARTED + number)
                .fetch_add(counted, Relaxed);
        }
        for word in [
            place::TAKEN,
            place::PIDS,
            place::PUBLISHED,
            place::CONTEXTS,
            place::SESSIONS,
            place::MEMORY,
            place::SHOWN,
        ] {
            self.word(at + word).store(0, Relaxed);
        }
    }
}

fn seconds() -> u64 {
    clock::second().try_into().unwrap_or(0)
}

/// Takes a slot for this process.
fn claim(page: &Page) {
    let slot = page.take(process::id());
    match slot {
        Some(at) => {
            page.word(at + place::PIDS).store(namespace(), Relaxed);
            page.word(at + place::TAKEN).store(tick(), Relaxed);
            page.show_slot(at);
        }
        None => {
            page.word(header::UNSEEN).fetch_add(1, Relaxed);
        }
    }
    SLOT.store(slot.unwrap_or(0), Relaxed);
    LOOKED_IN.store(this_process(), Release);
}

/// Before a fork. One that fails leaves a child expected for ever: then a sweep removes the file in the end.
unsafe extern "C" fn expect_child() {
    if let Some(Some(page)) = PAGE.get() {
        page.word(header::EXPECTED).fetch_add(1, Relaxed);
    }
}

unsafe extern "C" fn claim_in_child() {
    if let Some(Some(page)) = PAGE.get() {
        // SAFETY: the function has no preconditions, and returns the address of this thread's errno.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: `errno` is the valid address of this thread's errno.
        let before = unsafe { *errno };
        claim(page);
        // Release: a process that finds nobody expected any more finds the slot taken.
        page.word(header::EXPECTED).fetch_sub(1, Release);
        page.show_counts();
        // SAFETY: `errno` is the valid address of this thread's errno.
        unsafe { *errno = before };
    }
}

/// Runs at the end of the process: releases its slot, and removes the file if no other process uses it.
extern "C" fn at_exit() {
    static GONE: AtomicBool = AtomicBool::new(false);
    let Some(Some(page)) = PAGE.get() else { return };
    let slot = SLOT.swap(0, Relaxed);
    if GONE.swap(true, Relaxed) || LOOKED_IN.load(Acquire) != this_process() {
        return;
    }
    if slot != 0 {
        page.release(slot);
    }
    let folder = page.path.parent().map(Folder::open);
    let Some(Ok(folder)) = folder else {
        return; // what stays there is removed by a later sweep
    };
    // Acquire: pairs with the Release of a child that has taken its slot. Asked before the slots are.
    let is_expected = page.word(header::EXPECTED).load(Acquire) != 0;
    if !is_expected && !page.slots().any(|at| page.may_be_used(at)) {
        folder.remove_if(page.name().to_str().unwrap_or_default(), page.inode);
    }
    if page.maker == process::id() {
        sweep_of(&folder, page.maker);
    }
}

#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;
