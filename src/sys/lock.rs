//! A mutex for a library inside a program that it does not know: a fork never leaves it locked for ever.
//!
//! Only the thread that forks exists in the child, and a mutex that another thread held stays locked there. To take all
//! locks before each fork would be no cure: a program's own fork handlers may then wait for a thread that waits for one of
//! these locks. So nothing is done before a fork. The word of a lock has the number of the process whose thread holds it, and
//! a child has another number than its parent ([`forks`](super::forks)): there the lock has no living holder and is lost. The
//! value may be half changed, and is not used any more.
//!
//! | the word | means | changed |
//! |---|---|---|
//! | 0 | free | to the number of a process, by the thread of it that takes the lock |
//! | a number | held by a thread of that process | to 0, when it is released; with [`WAITED_FOR`], by a thread that goes to sleep |
//! | a number and [`WAITED_FOR`] | and threads may sleep until it is released | to 0, when it is released; one of them is woken, and takes the lock with the mark, as it cannot know whether others sleep |
//! | [`CLOSED`] | a thread panicked while it held the lock | never again |
//!
//! errno stays as it was.
//!
//! No crate has such a word: std's mutex and parking_lot's do not tell who holds them, so that a child could only wait for a
//! while; parking_lot's keeps its waiters in a table of the whole process besides, which a fork may catch half changed.

use core::cell::UnsafeCell;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::thread;

use crate::sys::atomic::{AtomicU32, SPINS, spin_loop};
use crate::sys::forks::this_process;
use crate::sys::futex;
use crate::sys::guard::quietly;

/// A mutex around a `T`. If the lock is lost, or a thread panicked while it held it, the `T` is not accessible any more.
pub struct Lock<T> {
    /// See the table above.
    word: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: one thread at a time has the value, and hands it on by a Release of the word and an Acquire.
unsafe impl<T: Send> Sync for Lock<T> {}

const FREE: u32 = 0;
/// A bit that no process's number has.
const WAITED_FOR: u32 = 1 << 31;
const CLOSED: u32 = u32::MAX;

/// A sleeper is woken when the lock is released; this is how soon it looks by itself.
const NAP: Duration = Duration::from_secs(1);

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Lock<T> {
    /// Makes an unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self {
            word: AtomicU32::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock; `None` if the value is lost.
    #[inline]
    pub fn lock(&self) -> Option<Guard<'_, T>> {
        let was_panicking = thread::panicking();
        // `then`, not `then_some`: a guard that was made and dropped would release the lock.
        self.take().then(|| Guard {
            lock: self,
            was_panicking,
        })
    }

    /// Waits for the lock, which the caller [releases](Held::release); `None` if the value is lost.
    #[inline(always)]
    pub fn hold(&self) -> Option<Held<'_, T>> {
        self.take().then(|| Held { lock: self })
    }

    #[inline(always)]
    fn take(&self) -> bool {
        self.try_take(this_process()) || self.wait()
    }

    /// Takes the lock, if it is free, by writing `held`.
    #[inline(always)]
    fn try_take(&self, held: u32) -> bool {
        // Acquire: pairs with the Release of the thread that had the value before.
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        self.word
            .compare_exchange(FREE, held, acquire, relaxed)
            .is_ok()
    }

    #[cold]
    fn wait(&self) -> bool {
        let (mut mark, mut turns) = (0, 0);
        loop {
            // Each time: a signal handler may have forked, and this be the child.
            let this = this_process();
            // Relaxed: `try_take` acquires.
            match self.word.load(Ordering::Relaxed) {
                FREE => {
                    if self.try_take(this | mark) {
                        return true;
                    }
                }
                lost if lost & !WAITED_FOR != this => return false,
                seen => {
                    if turns == 0 {
                        WAITS.fetch_add(1, Ordering::Relaxed);
                    }
                    if turns < SPINS && seen == this {
                        spin_loop();
                    } else if seen & WAITED_FOR != 0 || self.note_waiter(seen) {
                        quietly(|| futex::wait(&self.word, this | WAITED_FOR, NAP));
                        mark = WAITED_FOR;
                    }
                    turns = turns.saturating_add(1);
                }
            }
        }
    }

    fn note_waiter(&self, seen: u32) -> bool {
        // Relaxed: nothing is read on its strength.
        let (waited_for, relaxed) = (seen | WAITED_FOR, Ordering::Relaxed);
        self.word
            .compare_exchange(seen, waited_for, relaxed, relaxed)
            .is_ok()
    }

    #[inline(always)]
    fn release(&self) {
        // Release: pairs with the Acquire in `try_take`.
        if self.word.swap(FREE, Ordering::Release) & WAITED_FOR != 0 {
            self.wake(1);
        }
    }

    #[cold]
    fn close(&self) {
        // Relaxed: nobody reads the value any more. Whoever took the lock before may have left the mark to one who sleeps, so
        // all are woken, whatever the word says.
        self.word.swap(CLOSED, Ordering::Relaxed);
        self.wake(i32::MAX);
    }

    #[cold]
    fn wake(&self, most: i32) {
        quietly(|| futex::wake(&self.word, most));
    }
}

/// A lock that this thread holds. Dropping it releases the lock, or closes it in a panic that has begun since it was taken.
#[must_use = "the lock is released when this is dropped"]
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    was_panicking: bool,
}

// SAFETY: a thread that has a reference to it can do with the value what it could do with a reference to that.
unsafe impl<T: Sync> Sync for Guard<'_, T> {}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock for as long as the guard lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this thread holds the lock for as long as the guard lives, which is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        if !self.was_panicking && thread::panicking() {
            self.lock.close();
        } else {
            self.lock.release();
        }
    }
}

/// A lock that this thread holds until it releases it. A panic drops this, which closes the lock: so nothing has to be asked
/// where there was none.
#[must_use = "dropping this closes the lock"]
pub struct Held<'a, T> {
    lock: &'a Lock<T>,
}

// SAFETY: as for `Guard`.
unsafe impl<T: Sync> Sync for Held<'_, T> {}

impl<T> Held<'_, T> {
    /// The value.
    #[inline(always)]
    pub fn value(&mut self) -> &mut T {
        // SAFETY: this thread holds the lock for as long as `self` lives, which is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }

    /// Releases the lock.
    #[inline(always)]
    pub fn release(self) {
        let lock = self.lock;
        mem::forget(self);
        lock.release();
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.lock.close();
    }
}

static WAITS: AtomicU64 = AtomicU64::new(0);

/// How often threads of this process, and of those that it was forked from, had to wait for a lock.
pub fn lock_waits() -> u64 {
    WAITS.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::forks::watch_forks;
    use crate::sys::program::in_child;
    use std::panic::{self, AssertUnwindSafe};
    use std::time::Instant;

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
    fn lock_that_the_forking_thread_holds_is_released_in_both() {
        watch_forks();
        static LOCK: Lock<i32> = Lock::new(7);
        let mut guard = LOCK.lock();
        let child = in_child(|| {
            drop(guard.take());
            LOCK.lock().map_or(0, |value| *value)
        });
        drop(guard);
        assert_eq!((child, LOCK.lock().map(|value| *value)), (7, Some(7)));
    }

    #[test]
    fn threads_have_the_value_in_turn() {
        static LOCK: Lock<(u32, u32)> = Lock::new((0, 0));
        thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || {
                    for round in 0..2000 {
                        let add = |both: &mut (u32, u32)| {
                            both.0 += 1;
                            if round % 500 == 0 {
                                thread::sleep(Duration::from_micros(200)); // others go to sleep
                            }
                            both.1 += 1;
                            assert_eq!(both.0, both.1);
                        };
                        match number % 2 {
                            0 => add(&mut LOCK.lock().unwrap()),
                            _ => {
                                let mut held = LOCK.hold().unwrap();
                                add(held.value());
                                held.release();
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(LOCK.lock().map(|both| *both), Some((16_000, 16_000)));
    }

    #[test]
    fn panic_under_a_lock_closes_it_and_wakes_who_waits() {
        for by_guard in [true, false] {
            let lock = Lock::new(());
            let begun = Instant::now();
            thread::scope(|scope| {
                let panics = || {
                    let _guard = by_guard.then(|| lock.lock());
                    let _held = (!by_guard).then(|| lock.hold());
                    scope.spawn(|| assert!(lock.lock().is_none()));
                    thread::sleep(Duration::from_millis(20));
                    panic!("of the test");
                };
                assert!(panic::catch_unwind(AssertUnwindSafe(panics)).is_err());
            });
            assert!(begun.elapsed() < NAP);
            assert!(lock.lock().is_none() && lock.hold().is_none());
        }
    }

    #[test]
    fn guard_taken_in_a_panic_leaves_the_lock_open() {
        static LOCK: Lock<u32> = Lock::new(0);
        struct Counts;
        impl Drop for Counts {
            fn drop(&mut self) {
                *LOCK.lock().unwrap() += 1;
            }
        }
        let panics = || {
            let _counts = Counts;
            panic!("of the test");
        };
        assert!(panic::catch_unwind(panics).is_err());
        assert_eq!(LOCK.lock().map(|value| *value), Some(1));
    }

    #[test]
    fn errno_stays_when_a_thread_has_waited() {
        let lock = Lock::new(());
        let held = lock.lock();
        thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: the function has no preconditions, and returns the address of this thread's errno.
                let errno = unsafe { libc::__errno_location() };
                // SAFETY: the valid address of this thread's errno.
                unsafe { *errno = 77 };
                let has_it = lock.lock().is_some();
                // SAFETY: the valid address of this thread's errno.
                assert_eq!((has_it, unsafe { *errno }), (true, 77));
            });
            thread::sleep(NAP + NAP / 5); // it wakes once in vain, by ETIMEDOUT
            drop(held);
        });
    }
}
