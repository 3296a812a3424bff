//! Slots, and a file that is truncated.

use super::*;
use crate::sys::program::is_testable;
use std::os::fd::FromRawFd;

/// An id above the greatest one of Linux.
const NOBODY: u32 = 4_194_304;

/// A page in a file without a name. None where the copying call is lacking, as in the user mode of qemu: there is no page there,
/// and with it no figures.
fn page() -> Option<(Page, File)> {
    let (mut to, mut from) = (0_u64, 1_u64);
    let (to, from) = (ptr::NonNull::from(&mut to), ptr::NonNull::from(&mut from));
    // SAFETY: both are words of this function, to which no reference is used any more.
    let is_had = unsafe { carry(to.cast(), from.cast(), 8) };
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"page".as_ptr(), 0) };
    assert!(fd >= 0);
    // SAFETY: `fd` was opened above and has no other owner.
    let file = unsafe { File::from_raw_fd(fd) };
    let about = About {
        version: "1",
        form: "",
        settings: "",
    };
    let words = Mapping::shared(BYTES).unwrap();
    let page = show_in(&file, words, PathBuf::from("/memfd:page"), &about);
    if !is_testable("pages of figures, by process_vm_readv", is_had) {
        assert!(page.is_err_and(|error| error.kind() == io::ErrorKind::Unsupported));
        return None;
    }
    Some((page.unwrap(), file))
}

#[test]
fn slots_of_the_dead_are_taken_over_and_their_counts_kept() {
    let Some((page, _file)) = page() else { return };
    let us = process::id();
    let places: Vec<_> = page.slots().collect();
    assert_eq!(page.word(places[0] + place::PID).load(Relaxed), us.into());
    for &at in &places[1..] {
        assert_eq!(page.take(us), Some(at));
    }
    assert_eq!(page.take(us), None); // they are all alive
    let full = page.word(header::FULL);
    assert_ne!(full.swap(0, Relaxed), 0);
    let at = places[5];
    let put = |pid: u32, taken: u64| {
        page.word(at + place::PID).store(pid.into(), Relaxed);
        page.word(at + place::FIGURES).store(7, Relaxed);
        page.word(at + place::TAKEN).store(taken, Relaxed);
    };
    put(NOBODY, 1);
    assert_eq!(page.take(us), Some(at));
    let words = [place::FIGURES, place::TAKEN].map(|word| page.word(at + word).load(Relaxed));
    assert_eq!(
        (words, page.word(header::DEPARTED).load(Relaxed)),
        ([0, 0], 7)
    );
    // The slot of an earlier process with this id.
    put(us, 1);
    assert_eq!(page.take(us), Some(at));
    // Not looked for again at once where every slot was found taken: that reads many memory maps.
    put(NOBODY, 1);
    full.store(tick(), Relaxed);
    assert_eq!(page.take(us), None);
    full.store(1, Relaxed);
    assert_eq!(page.take(us), Some(at));
    // In another namespace, or if it is not known, no process is known to be dead.
    for namespace in [1, 0] {
        page.word(header::PIDS).store(namespace, Relaxed);
        put(NOBODY, 1);
        full.store(0, Relaxed);
        assert_eq!(page.take(us), None);
    }
}

/// A process that executes another program keeps its id and its beginning, but not its memory map.
#[test]
fn slot_is_of_the_process_only_while_that_has_the_page_mapped() {
    let Some((page, _file)) = page() else { return };
    let (first, second) = (slot_at(0), slot_at(1));
    assert!(page.may_be_used(first) && !page.may_be_used(second));
    let mut child = process::Command::new("sleep").arg("60").spawn().unwrap();
    page.word(second + place::PID)
        .store(child.id().into(), Relaxed);
    assert!(!page.may_be_used(second), "it executed another program");
    // Its number means another process there.
    page.word(second + place::PIDS).store(1, Relaxed);
    assert!(page.may_be_used(second));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A process that touched the file's own pages would be ended by SIGBUS.
#[test]
fn file_that_is_truncated_is_not_written_and_ends_nobody() {
    use std::os::unix::fs::FileExt;
    let Some((page, file)) = page() else { return };
    let slot = slot_at(0);
    page.word(slot).store(7, Relaxed);
    page.show_slot(slot);
    let mut word = [0; 8];
    file.read_exact_at(&mut word, slot as u64 * 8).unwrap();
    assert_eq!(u64::from_ne_bytes(word), 7);
    file.write_all_at(&3_u64.to_ne_bytes(), header::FLUSH as u64 * 8)
        .unwrap();
    page.show_counts();
    assert_eq!(page.asked(), Some([3, 0, 0]));
    for size in [5_000, 0] {
        file.set_len(size).unwrap();
        assert!(!page.show(slot + 512..slot + 600));
        page.show_slot(slot);
        page.show_counts();
        page.release(slot);
        assert_eq!(page.take(7), Some(slot));
    }
    assert_eq!(page.asked(), None);
}
