//! A mutex for a library inside a program that it does not know: a fork never leaves it locked for ever.
//!
//! Only the thread that forks exists in the child, and a mutex that another thread held stays locked there. To take all
//! locks before each fork would be no cure: a program's own fork handlers may then wait for a thread that waits for one of
//! these locks. So nothing is done before a fork. The child tries each lock when it is first used; a lock that is not
//! released within a few milliseconds has no living holder and is lost: the value may be half changed, and is not used any
//! more.
//!
//! The mutex inside is std's, one word on Linux. parking_lot's is unfit: it keeps its waiters in a table of the whole
//! process, which a fork may catch half changed, and it may hand itself to a waiter that does not exist in the child.

use core::mem::ManuallyDrop;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

use crate::sys::mapping::Mapping;
use crate::sys::uncancelled::Uncancelled;

/// A mutex around a `T`. If the lock is lost, or a thread panicked while it held it, the `T` is not accessible any more.
pub struct Lock<T> {
    /// The number of the process in which the lock was last found usable; or [`LOST`].
    whole_in: AtomicU32,
    mutex: Mutex<T>,
}

const LOST: u32 = 0;
/// The number of a process that was not forked from one that watches forks.
pub const FIRST: u32 = 1;

/// How often, and how far apart, a lock is tried before it is given up in a new process: 5 ms in all. Living threads hold
/// locks for less than that; if one is suspended for longer, a cache is lost without need.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_micros(50);

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Lock<T> {
    /// Makes an unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self {
            whole_in: AtomicU32::new(FIRST),
            mutex: Mutex::new(value),
        }
    }

    /// Waits for the lock; `None` if the value is lost.
    #[inline]
    pub fn lock(&self) -> Option<MutexGuard<'_, T>> {
        // Relaxed, here and below: the mutex orders the accesses to the value.
        if self.whole_in.load(Ordering::Relaxed) == this_process() {
            if let Ok(guard) = self.mutex.try_lock() {
                return Some(guard);
            }
            return self.wait();
        }
        self.first_lock_since_fork()
    }

    #[cold]
    fn wait(&self) -> Option<MutexGuard<'_, T>> {
        WAITS.fetch_add(1, Ordering::Relaxed);
        self.mutex.lock().ok()
    }

    #[cold]
    fn first_lock_since_fork(&self) -> Option<MutexGuard<'_, T>> {
        let before = self.whole_in.load(Ordering::Relaxed);
        if before == LOST {
            return None;
        }
        let _uncancelled = Uncancelled::new();
        for _ in 0..TRIES {
            match self.mutex.try_lock() {
                Ok(guard) => {
                    self.whole_in.store(this_process(), Ordering::Relaxed);
                    return Some(guard);
                }
                Err(TryLockError::Poisoned(_)) => return None,
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            }
        }
        // Not if another thread of this process has had the lock meanwhile.
        let (relaxed, lost) = (Ordering::Relaxed, LOST);
        match self
            .whole_in
            .compare_exchange(before, lost, relaxed, relaxed)
        {
            Ok(_) => None,
            Err(_) => self.lock(),
        }
    }
}

static WAITS: AtomicU64 = AtomicU64::new(0);

/// How often threads of this process, and of those that it was forked from, had to wait for a lock.
pub fn lock_waits() -> u64 {
    WAITS.load(Ordering::Relaxed)
}

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

    /// Forks, and returns the answer of the child, which is its exit code.
    fn in_child(answer: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the child calls `answer`, which takes no lock of the parent but the ones under test, and exits at once.
        match unsafe { libc::fork() } {
            // SAFETY: ends only the child.
            0 => unsafe { libc::_exit(answer()) },
            child => {
                let mut status = 0;
                // SAFETY: `child` was forked above, and `status` is a place for the answer.
                unsafe { libc::waitpid(child, &mut status, 0) };
                libc::WEXITSTATUS(status)
            }
        }
    }

    #[test]
    fn lock_held_by_another_thread_over_a_fork_is_lost_in_the_child_alone() {
        watch_forks();
        static LOCK: Lock<i32> = Lock::new(7);
        static FREE: Lock<i32> = Lock::new(8);
        let guard = LOCK.lock().unwrap();
        let forking = thread::spawn(|| {
            in_child(|| i32::from(LOCK.lock().is_none() && FREE.lock().is_some_and(|v| *v == 8)))
        });
        assert_eq!(forking.join().unwrap(), 1);
        drop(guard);
        assert_eq!(LOCK.lock().map(|value| *value), Some(7));
        assert_eq!(in_child(|| LOCK.lock().map_or(0, |value| *value)), 7);
    }

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
