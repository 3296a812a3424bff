//! The number of this process along its line of forks, by which a child knows what is left of its parent's threads.

use core::mem::ManuallyDrop;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::sys::mapping::Mapping;

/// The number of a process that was not forked from one that watches forks.
pub const FIRST: u32 = 1;

/// The number of processes along the line of forks that led to this one.
static PROCESSES: AtomicU32 = AtomicU32::new(FIRST);

/// The number of this process, in a page that a fork zeroes in the child; null before [`watch_forks`].
static THIS_PROCESS: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// The number of this process along its line of forks.
#[inline]
pub fn this_process() -> u32 {
    // Acquire: pairs with the Release in `watch_forks`.
    let page = THIS_PROCESS.load(Ordering::Acquire);
    // SAFETY: the pointer is null, or points to a page that `watch_forks` has mapped and that is never unmapped.
    match unsafe { page.as_ref() } {
        None if IS_TOLD_BY_ID.load(Ordering::Relaxed) => number_by_id(),
        None => PROCESSES.load(Ordering::Relaxed),
        Some(number) => match number.load(Ordering::Relaxed) {
            0 => number_new_process(number),
            known => known,
        },
    }
}

#[cold]
fn number_new_process(number: &AtomicU32) -> u32 {
    let next = PROCESSES.fetch_add(1, Ordering::Relaxed) + 1;
    match number.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(theirs) => theirs, // by another thread of the same new process
    }
}

/// True if no page tells of forks: the id of the process does, at the price of a system call each time.
static IS_TOLD_BY_ID: AtomicBool = AtomicBool::new(false);

/// The number of this process where its id tells of forks, also of those without fork handlers.
#[cold]
fn number_by_id() -> u32 {
    /// The number, and below it the id of the process that has it. Relaxed: both are in one word.
    static KNOWN: AtomicU64 = AtomicU64::new((FIRST as u64) << 32);
    // SAFETY: getpid has no preconditions.
    let id = unsafe { libc::getpid() } as u32;
    let mut known = KNOWN.load(Ordering::Relaxed);
    loop {
        let (number, of) = ((known >> 32) as u32, known as u32);
        let next = match of {
            _ if of == id => return number,
            0 => number,
            _ => number + 1,
        };
        let word = u64::from(next) << 32 | u64::from(id);
        // Another thread of the same new process may have come first.
        match KNOWN.compare_exchange(known, word, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return next,
            Err(theirs) => known = theirs,
        }
    }
}

/// Begins to notice forks. Called before the first lock is taken; further calls do nothing.
///
/// If several threads call it at once, each makes a page and one page is kept: a fork by another thread cannot leave the
/// work half done in the child.
pub fn watch_forks() {
    // Relaxed: a thread that does not see the page yet reads `PROCESSES`, which the page starts from.
    let (order, page) = (Ordering::Relaxed, THIS_PROCESS.load(Ordering::Relaxed));
    if !page.is_null() || IS_TOLD_BY_ID.load(order) {
        return;
    }
    if let Some(page) = wiped_page() {
        let number = page.base().cast::<AtomicU32>();
        // SAFETY: the mapping is aligned to a page, larger than the number, zeroed, and not shared yet.
        unsafe { number.as_ref() }.store(PROCESSES.load(order), order);
        let (none, number) = (ptr::null_mut(), number.as_ptr());
        // Release: publishes the number.
        let kept = THIS_PROCESS.compare_exchange(none, number, Ordering::Release, order);
        if kept.is_ok() {
            let _ = ManuallyDrop::new(page); // read for as long as the process lives
        }
        return;
    }
    number_by_id(); // of the process that forks, before it does
    IS_TOLD_BY_ID.store(true, order);
}

/// A page that the kernel zeroes in a child, as Linux does since 4.14.
fn wiped_page() -> Option<Mapping> {
    let size = 4096; // any number of bytes will do; the kernel rounds up to a page
    let page = Mapping::private(size).ok()?;
    let is_wiped = page.is_advice_heeded() && page.advise(libc::MADV_WIPEONFORK).is_ok();
    is_wiped.then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::program::in_child;

    #[test]
    fn each_child_has_a_number_of_its_own() {
        watch_forks();
        let parent = this_process();
        let child_differs = in_child(|| i32::from(this_process() != parent));
        assert_eq!((child_differs, this_process()), (1, parent));
    }

    #[test]
    fn each_child_has_a_number_by_its_id_where_no_page_tells() {
        let parent = number_by_id();
        let child = in_child(|| number_by_id() as i32);
        assert_eq!((child, number_by_id()), (parent as i32 + 1, parent));
    }
}
