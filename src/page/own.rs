//! The file of this process tree, and the slot in it that is this process's.

use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64,
    Ordering::Relaxed,
    Ordering::{AcqRel, Acquire, Release},
};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process;

use once_cell::race::OnceBox;

use super::alive::{is_alive, namespace, start_of};
use super::figures::{Context, NUMBER, Sums};
use super::folder::{Folder, SUFFIX, remove};
use super::layout::{
    self, BYTES, CONTEXTS_SHOWN, MAGIC, SLOTS, VERSION, context, header, slot as place, slot_at,
};
use crate::lock::this_process;
use crate::mapping::{Mapping, check_file_limit};

/// What is said of the whole tree.
pub struct About<'a> {
    /// The version of the library.
    pub version: &'a str,
    /// How we came in, and which library is behind us.
    pub form: &'a str,
    /// The settings in force, a line each.
    pub settings: &'a str,
}

/// The mapped file.
struct Page {
    words: Mapping,
    path: PathBuf,
    /// Which file that is, should the path come to mean another one.
    inode: (u64, u64),
}

static PAGE: OnceBox<Option<Page>> = OnceBox::new();
/// The first word of this process's slot; null where it has none.
static SLOT: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
/// The process, counted by forks, that `SLOT` was looked for in.
static LOOKED_IN: AtomicU32 = AtomicU32::new(0);

/// Makes the file, once in a process tree. Where it cannot be made all goes on without.
pub fn make(about: &About<'_>) {
    PAGE.get_or_init(|| {
        let page = make_file(about).ok();
        if let Some(page) = &page {
            // A child is there for others from its first moment: with a parent that ends at once, as one does that
            // becomes a daemon, the file would have nobody.
            // SAFETY: the handler is a function of this library, which is never unloaded.
            unsafe { libc::pthread_atfork(None, None, Some(claim_in_child)) };
            claim(page);
        }
        Box::new(page)
    });
}

fn make_file(about: &About<'_>) -> io::Result<Page> {
    check_file_limit(BYTES)?;
    let folder = Folder::ours()?;
    folder.sweep();
    let pid = process::id();
    let name = format!("{pid}-{}{SUFFIX}", start_of(pid).unwrap_or(0));
    let mut file = folder.make(&name)?;
    // Written and not only made longer: with no room left for a page of it, touching that page would end the process.
    file.write_all(&vec![0; BYTES])?;
    let known = file.metadata()?;
    let page = Page {
        words: Mapping::of_file(file.as_raw_fd(), BYTES)?,
        path: folder.path_of(&name),
        inode: (known.dev(), known.ino()),
    };
    page.describe(about, known.uid());
    Ok(page)
}

impl Page {
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < layout::WORDS);
        // SAFETY: within the mapping, aligned, and only used through atomics.
        unsafe { self.words.base().cast().add(at).as_ref() }
    }

    fn describe(&self, about: &About<'_>, user: u32) {
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
        self.word(header::VERSION).store(VERSION, Relaxed);
        // Release: whoever sees it sees the rest.
        self.word(header::MAGIC).store(MAGIC, Release);
    }

    fn slots(&self) -> impl Iterator<Item = usize> {
        (0..SLOTS).map(slot_at)
    }

    /// A slot for the process `pid`: a free one, or that of one that has died without giving it back. Nothing is
    /// allocated and no lock taken, as the child of a process with threads needs it.
    fn take(&self, pid: u32) -> Option<usize> {
        let take = |at: usize, from: u32| {
            let slot = self.word(at + place::PID);
            // AcqRel: what the last one left is there, or gone.
            slot.compare_exchange(from.into(), pid.into(), AcqRel, Relaxed)
                .is_ok()
        };
        let free = self.slots().find(|&at| take(at, 0));
        free.or_else(|| {
            // Elsewhere the numbers mean other processes.
            if self.word(header::PIDS).load(Relaxed) != namespace() {
                return None;
            }
            let left = self.slots().find(|&at| {
                let last = self.word(at + place::PID).load(Relaxed) as u32;
                last != 0 && !is_alive(last, 0) && take(at, last)
            })?;
            self.keep_counts(left);
            Some(left)
        })
    }

    /// Gives a slot back.
    fn release(&self, at: usize) {
        self.keep_counts(at);
        // Release: the next one finds it empty.
        self.word(at + place::PID).store(0, Release);
    }

    /// Empties a slot, and keeps what was counted in it.
    fn keep_counts(&self, at: usize) {
        for number in 0..NUMBER {
            let counted = self.word(at + place::FIGURES + number).swap(0, Relaxed);
            self.word(header::DEPARTED + number)
                .fetch_add(counted, Relaxed);
        }
        for word in [
            place::START,
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
    // SAFETY: a null argument only asks for the result.
    unsafe { libc::time(ptr::null_mut()) }
        .try_into()
        .unwrap_or(0)
}

/// Takes a slot for this process.
fn claim(page: &Page) {
    let mine = page.take(process::id());
    let slot = mine.map_or(ptr::null_mut(), |at| {
        ptr::from_ref(page.word(at)).cast_mut()
    });
    if slot.is_null() {
        page.word(header::UNSEEN).fetch_add(1, Relaxed);
    }
    SLOT.store(slot, Relaxed);
    LOOKED_IN.store(this_process(), Release);
}

unsafe extern "C" fn claim_in_child() {
    if let Some(Some(page)) = PAGE.get() {
        // SAFETY: the C library answers a valid pointer to this thread's errno.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: as above.
        let before = unsafe { *errno };
        claim(page);
        // SAFETY: as above.
        unsafe { *errno = before };
    }
}

/// This process's slot.
#[derive(Clone, Copy)]
pub struct Slot(&'static AtomicU64);

/// This process's slot, if it has one.
pub fn slot() -> Option<Slot> {
    // Acquire: pairs with the Release in `claim`.
    if LOOKED_IN.load(Acquire) != this_process() {
        // Forked by other means than fork(3), or before there was a file.
        claim(PAGE.get()?.as_ref()?);
    }
    // SAFETY: null, or a slot in the mapping, which is never undone.
    unsafe { SLOT.load(Relaxed).as_ref() }.map(Slot)
}

impl Slot {
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < place::WORDS);
        // SAFETY: within the slot.
        unsafe { &*ptr::from_ref(self.0).add(at) }
    }

    /// Shows the figures of this process.
    pub fn publish(&self, sums: &Sums, contexts: &[Context]) {
        if self.word(place::START).load(Relaxed) == 0 {
            let start = start_of(process::id()).unwrap_or(0);
            self.word(place::START).store(start, Relaxed);
        }
        for (number, &sum) in sums.figures.iter().enumerate() {
            self.word(place::FIGURES + number).store(sum, Relaxed);
        }
        self.word(place::CONTEXTS).store(sums.contexts, Relaxed);
        self.word(place::SESSIONS).store(sums.sessions, Relaxed);
        self.word(place::MEMORY).store(sums.memory, Relaxed);
        let shown = contexts.iter().take(CONTEXTS_SHOWN);
        self.word(place::SHOWN).store(shown.len() as u64, Relaxed);
        for (number, known) in shown.enumerate() {
            let at = place::FIRST_CONTEXT + number * context::WORDS;
            let kind = [known.verify, known.id_context, known.flags, 0].map(u64::from);
            let kind = u64::from(known.mode) | kind[0] << 32 | kind[1] << 40 | kind[2] << 48;
            for (word, value) in [
                (context::KIND, kind),
                (context::OPTIONS, known.options),
                (context::CAPACITY, known.capacity),
                (context::SESSIONS, known.sessions),
                (context::HITS, known.hits),
                (context::MISSES, known.misses),
                (context::ACCEPTED, known.accepted),
                (context::RESUMED, known.resumed),
                (context::CONNECTED, known.connected),
                (context::ORIGIN, known.origin),
            ] {
                self.word(at + word).store(value, Relaxed);
            }
            for (number, &[low, high]) in known.attributes.as_chunks().0.iter().enumerate() {
                let value = u64::from(low) | u64::from(high) << 32;
                self.word(at + context::ATTRIBUTES + number)
                    .store(value, Relaxed);
            }
        }
        self.word(place::PUBLISHED).store(seconds(), Relaxed);
    }
}

/// Shows the figures of the memory that the tree shares.
pub fn publish_region(figures: &[u64]) {
    if let Some(Some(page)) = PAGE.get() {
        for (number, &figure) in figures.iter().enumerate() {
            page.word(header::REGION + number).store(figure, Relaxed);
        }
    }
}

/// How often a flush was asked for.
pub fn flushes() -> u64 {
    let page = PAGE.get().and_then(Option::as_ref);
    page.map_or(0, |page| page.word(header::FLUSH).load(Relaxed))
}

/// Whether this process is the one of its tree that carries a flush out for all of them.
pub fn is_first_to_flush(asked: u64) -> bool {
    let page = PAGE.get().and_then(Option::as_ref);
    // Relaxed: exactly one process changes the word to this number.
    page.is_some_and(|page| page.word(header::FLUSHED).swap(asked, Relaxed) != asked)
}

/// The most contexts that are shown.
pub const fn contexts_shown() -> usize {
    CONTEXTS_SHOWN
}

/// At the end of the process: its slot is given back, and of the last one the file goes, too.
extern "C" fn at_exit() {
    static GONE: AtomicBool = AtomicBool::new(false);
    let Some(Some(page)) = PAGE.get() else { return };
    let slot = SLOT.swap(ptr::null_mut(), Relaxed);
    if GONE.swap(true, Relaxed) || LOOKED_IN.load(Acquire) != this_process() {
        return;
    }
    let at = page.slots().find(|&at| ptr::eq(page.word(at), slot));
    if let Some(at) = at {
        page.release(at);
    }
    let is_used = |at: usize| {
        let pid = page.word(at + place::PID).load(Relaxed) as u32;
        pid != 0 && is_alive(pid, page.word(at + place::START).load(Relaxed))
    };
    if !page.slots().any(is_used) {
        remove(&page.path, page.inode); // what stays is swept by the next one
    }
}

#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

#[cfg(test)]
mod tests {
    use super::*;

    /// Above the most that there can be.
    const NOBODY: u32 = 4_194_304;

    #[test]
    fn slots_of_the_dead_are_taken_over_and_their_counts_kept() {
        let page = Page {
            words: Mapping::shared(BYTES).unwrap(),
            path: PathBuf::new(),
            inode: (0, 0),
        };
        page.word(header::PIDS).store(namespace(), Relaxed);
        let us = process::id();
        let places: Vec<_> = page.slots().collect();
        for &at in &places {
            assert_eq!(page.take(us), Some(at));
        }
        assert_eq!(page.take(us), None); // they are all alive
        let at = places[5];
        page.word(at + place::PID).store(NOBODY.into(), Relaxed);
        page.word(at + place::FIGURES).store(7, Relaxed);
        page.word(at + place::START).store(1, Relaxed);
        assert_eq!(page.take(us), Some(at));
        let words = [place::FIGURES, place::START].map(|word| page.word(at + word).load(Relaxed));
        assert_eq!(
            (words, page.word(header::DEPARTED).load(Relaxed)),
            ([0, 0], 7)
        );
        // Of another namespace, nobody is known to be dead.
        page.word(header::PIDS).store(1, Relaxed);
        page.word(at + place::PID).store(NOBODY.into(), Relaxed);
        assert_eq!(page.take(us), None);
    }
}
