//! A mutex for a library inside somebody else's process: a fork never leaves it locked for ever.
//!
//! Only the thread that forks exists in the child; a mutex that another one held stays held there. Taking all
//! locks before each fork would be no cure: a program's own fork handlers may then wait for a thread that
//! waits for one of ours. So nothing is done before a fork. In the child each lock is tried when it is first
//! used; one that no living thread can be holding, because it is not let go within a few milliseconds, is lost: what it
//! protects was perhaps half changed, and is not used any more.
//!
//! The mutex inside is std's, one word on Linux. parking_lot's is not fit for this: its waiters stand in a table
//! of the whole process, which a fork may catch half changed, and it may hand itself to a waiter that does not
//! exist in the child.

use core::mem::ManuallyDrop;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

use crate::sys::mapping::Mapping;
use crate::sys::uncancelled::Uncancelled;

/// What protects a `T`. Where the lock is lost, or a thread panicked while it held it, there is no `T` any more.
pub struct Lock<T> {
    /// The process, counted by forks, in which the lock was last found whole; or [`LOST`].
    whole_in: AtomicU32,
    mutex: Mutex<T>,
}

const LOST: u32 = 0;
/// The number of a process that has not been forked by one that watched.
pub const FIRST: u32 = 1;

/// How often, and how far apart, a lock is tried before it is given up in a new process: 5 ms in all. Living
/// threads hold locks for less than that, unless they are kept from running; then a cache is lost for nothing.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_micros(50);

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Lock<T> {
    /// An open lock.
    pub const fn new(value: T) -> Self {
        Self {
            whole_in: AtomicU32::new(FIRST),
            mutex: Mutex::new(value),
        }
    }

    /// Waits for the lock; `None` where what it protects is lost.
    #[inline]
    pub fn lock(&self) -> Option<MutexGuard<'_, T>> {
        // Relaxed, here and below: what the lock protects is ordered by the mutex.
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
        // Not where another thread of this process has had it meanwhile.
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

/// How often a thread had to wait for a lock, of whatever subject.
static WAITS: AtomicU64 = AtomicU64::new(0);

/// How often a thread of this process, or of those that it was forked from, had to wait for a lock.
pub fn lock_waits() -> u64 {
    WAITS.load(Ordering::Relaxed)
}

/// How many processes there were, counted along the line of forks that led here.
static PROCESSES: AtomicU32 = AtomicU32::new(FIRST);

/// The number of this process, in a page that a fork leaves empty; null before [`watch_forks`].
static THIS_PROCESS: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// The number of this process along its line of forks.
#[inline]
pub fn this_process() -> u32 {
    // Acquire: pairs with the Release in `watch_forks`.
    let page = THIS_PROCESS.load(Ordering::Acquire);
    // SAFETY: null, or the page that `watch_forks` has mapped for good.
    match unsafe { page.as_ref() } {
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
        Err(theirs) => theirs, // another thread of the same new process
    }
}

/// Begins to notice forks. Called before the first lock is taken; further calls do nothing.
///
/// Of threads that arrive together each makes a page, and one is kept: nothing is begun that a fork by another thread
/// would leave undone in the child.
pub fn watch_forks() {
    /// Whether it is done by a fork handler.
    static HANDLED: AtomicBool = AtomicBool::new(false);
    // Relaxed: a thread that goes on before the page is there counts by `PROCESSES`, as the page does at first.
    let (order, page) = (Ordering::Relaxed, THIS_PROCESS.load(Ordering::Relaxed));
    if !page.is_null() || HANDLED.load(order) {
        return;
    }
    let size = 4096; // any number of bytes will do; the kernel rounds up to a page
    // MADV_WIPEONFORK is in Linux since 4.14.
    let page =
        Mapping::private(size).and_then(|page| page.advise(libc::MADV_WIPEONFORK).map(|()| page));
    if let Ok(page) = page {
        let number = page.base().cast::<AtomicU32>();
        // SAFETY: the mapping is aligned, large enough and ours.
        unsafe { number.as_ref() }.store(PROCESSES.load(order), order);
        let (none, number) = (ptr::null_mut(), number.as_ptr());
        // Release: publishes the number.
        let kept = THIS_PROCESS.compare_exchange(none, number, Ordering::Release, order);
        if kept.is_ok() {
            let _ = ManuallyDrop::new(page); // looked at for as long as there is a process
        }
        return;
    }
    // By two threads that arrive together it is done twice: then a child is counted as two, which does no harm.
    // SAFETY: the handler is a function of this library, which is never unloaded.
    unsafe { libc::pthread_atfork(None, None, Some(count_child)) };
    HANDLED.store(true, order);
}

/// For kernels that cannot wipe a page: a child's handlers run before the fork returns.
unsafe extern "C" fn count_child() {
    PROCESSES.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the child of a fork answers, as its exit code.
    fn in_child(answer: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the child calls `answer`, which takes no lock of the parent but the one under test, and
        // leaves at once.
        match unsafe { libc::fork() } {
            // SAFETY: ends the child.
            0 => unsafe { libc::_exit(answer()) },
            child => {
                let mut status = 0;
                // SAFETY: our child.
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
}
