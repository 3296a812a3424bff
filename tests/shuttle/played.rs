//! What is beneath the files under test. Each access to memory that is shared is a step, before which another thread may go on, and at
//! which the thread may stop for a while or end.

use std::cell::Cell;
use std::panic;
use std::thread;
use std::time::Duration;

use shuttle::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// What becomes of a thread, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Lives,
    /// It ends at this step, and what it holds stays as it is.
    Ends(u64),
    /// It stops at this step for so many turns of the others and for so long.
    Stops(u64, u32, Duration),
}

/// What a thread ends with that is to end.
struct End;

shuttle::thread_local! {
    static FATE: Cell<Fate> = Cell::new(Fate::Lives);
    static HAS_ENDED: Cell<bool> = Cell::new(false);
}

shuttle::lazy_static! {
    /// Nobody writes it: to read it is a step.
    static ref STEP: AtomicBool = AtomicBool::new(false);
}

/// Whether there are several threads.
static ARE_SEVERAL: core::sync::atomic::AtomicBool = core::sync::atomic::AtomicBool::new(false);

/// Runs `work`, which begins threads and waits for their end. Before and after it an access is no step, as nobody else could go on.
pub fn several(work: impl FnOnce()) {
    ARE_SEVERAL.store(true, SeqCst);
    work();
    ARE_SEVERAL.store(false, SeqCst);
}

/// One step; false if the thread has ended, and nothing that it does counts any more.
fn step() -> bool {
    if !ARE_SEVERAL.load(SeqCst) {
        return true;
    }
    if HAS_ENDED.with(Cell::get) {
        return false;
    }
    STEP.load(SeqCst);
    match FATE.with(Cell::get) {
        Fate::Lives => {}
        Fate::Ends(0) if !thread::panicking() => {
            HAS_ENDED.with(|ended| ended.set(true));
            identity::end();
            panic::resume_unwind(Box::new(End));
        }
        Fate::Ends(steps) => FATE.with(|fate| fate.set(Fate::Ends(steps.saturating_sub(1)))),
        Fate::Stops(0, turns, time) => {
            FATE.with(|fate| fate.set(Fate::Lives));
            clock::pass(time);
            for _ in 0..turns {
                shuttle::thread::yield_now();
            }
        }
        Fate::Stops(steps, turns, time) => {
            FATE.with(|fate| fate.set(Fate::Stops(steps - 1, turns, time)));
        }
    }
    true
}

/// Runs a thread's work with this fate; `None` if it has ended before.
pub fn with_fate<R>(fate: Fate, work: impl FnOnce() -> R) -> Option<R> {
    FATE.with(|place| place.set(fate));
    let done = panic::catch_unwind(panic::AssertUnwindSafe(work));
    FATE.with(|place| place.set(Fate::Lives));
    match done {
        Ok(done) => Some(done),
        Err(why) if why.is::<End>() => None,
        Err(why) => panic::resume_unwind(why),
    }
}

/// Atomics of which each operation is a step. Of one that has ended none has an effect.
pub mod atomic {
    use core::sync::atomic::Ordering;

    use super::step;

    pub use core::hint::spin_loop;

    pub const SPINS: u32 = 2;

    macro_rules! atomics {
        ($($name:ident: $of:ident),*) => {$(
            #[repr(transparent)]
            #[derive(Default)]
            pub struct $name(core::sync::atomic::$name);

            impl $name {
                pub const fn new(value: $of) -> Self {
                    Self(core::sync::atomic::$name::new(value))
                }

                pub fn load(&self, order: Ordering) -> $of {
                    if step() { self.0.load(order) } else { 0 }
                }

                pub fn store(&self, value: $of, order: Ordering) {
                    if step() {
                        self.0.store(value, order);
                    }
                }

                pub fn swap(&self, value: $of, order: Ordering) -> $of {
                    if step() { self.0.swap(value, order) } else { 0 }
                }

                pub fn fetch_add(&self, value: $of, order: Ordering) -> $of {
                    if step() { self.0.fetch_add(value, order) } else { 0 }
                }

                pub fn fetch_sub(&self, value: $of, order: Ordering) -> $of {
                    if step() { self.0.fetch_sub(value, order) } else { 0 }
                }

                pub fn fetch_max(&self, value: $of, order: Ordering) -> $of {
                    if step() { self.0.fetch_max(value, order) } else { 0 }
                }

                pub fn compare_exchange(&self, from: $of, to: $of, done: Ordering, not: Ordering) -> Result<$of, $of> {
                    if step() { self.0.compare_exchange(from, to, done, not) } else { Err(0) }
                }

                pub fn fetch_update(
                    &self,
                    done: Ordering,
                    not: Ordering,
                    mut next: impl FnMut($of) -> Option<$of>,
                ) -> Result<$of, $of> {
                    let mut seen = self.load(not);
                    while let Some(to) = next(seen) {
                        if !step() {
                            break;
                        }
                        match self.0.compare_exchange(seen, to, done, not) {
                            Ok(before) => return Ok(before),
                            Err(other) => seen = other,
                        }
                    }
                    Err(seen)
                }

                /// No step: for what is moved in bulk.
                pub fn bare(&self) -> &core::sync::atomic::$name {
                    &self.0
                }
            }
        )*};
    }

    atomics!(AtomicU16: u16, AtomicU32: u32, AtomicU64: u64, AtomicUsize: usize);
}

/// Memory that processes share: a box of words.
pub mod memory {
    use std::io;
    use std::sync::atomic::Ordering::Relaxed;

    use super::step;
    use crate::sys::atomic::{AtomicU16, AtomicU32, AtomicU64};

    /// # Safety
    /// * The type consists of atomics only.
    pub unsafe trait Shared {}

    pub struct Memory(Box<[AtomicU64]>);

    impl Memory {
        pub fn anonymous(len: usize) -> io::Result<Self> {
            Ok(Self(
                (0..len.div_ceil(8)).map(|_| AtomicU64::new(0)).collect(),
            ))
        }

        /// The address of an aligned word.
        fn place<T>(&self, at: usize) -> *const T {
            assert!(
                at.is_multiple_of(size_of::<T>()) && at / 8 < self.0.len(),
                "a word at {at}"
            );
            self.0.as_ptr().cast::<u8>().wrapping_add(at).cast()
        }

        pub fn u16(&self, at: usize) -> &AtomicU16 {
            // SAFETY: `place` returns an aligned address in the box, whose bytes are accessed through atomics only.
            unsafe { &*self.place(at) }
        }

        pub fn u32(&self, at: usize) -> &AtomicU32 {
            // SAFETY: as above.
            unsafe { &*self.place(at) }
        }

        pub fn u64(&self, at: usize) -> &AtomicU64 {
            // SAFETY: as above.
            unsafe { &*self.place(at) }
        }

        pub fn view<T: Shared>(&self, at: usize) -> Option<&T> {
            let inside =
                at.is_multiple_of(align_of::<T>()) && at + size_of::<T>() <= 8 * self.0.len();
            // SAFETY: inside the box, whose bytes are accessed through atomics only.
            inside.then(|| unsafe { &*self.0.as_ptr().cast::<u8>().add(at).cast() })
        }

        pub fn words(&self, at: usize, number: usize) -> &[AtomicU64] {
            assert!(at.is_multiple_of(8), "words at {at}");
            &self.0[at / 8..][..number]
        }

        pub fn write(&self, at: usize, bytes: &[u8]) {
            for (number, chunk) in bytes.chunks(8).enumerate() {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.u64(at + 8 * number)
                    .store(u64::from_ne_bytes(word), Relaxed);
            }
        }

        pub fn read(&self, at: usize, len: usize, bytes: &mut Vec<u8>) -> Option<()> {
            bytes.clear();
            for at in (at..at + len).step_by(8) {
                bytes.extend_from_slice(&self.u64(at).load(Relaxed).to_ne_bytes());
            }
            bytes.truncate(len);
            Some(())
        }

        /// In steps of many words: a rebuild wipes the whole heap.
        pub fn wipe(&self, from: usize, to: usize) {
            for at in (from..to).step_by(8) {
                if (at - from).is_multiple_of(512) && !step() {
                    return;
                }
                self.u64(at).bare().store(0, Relaxed);
            }
        }
    }
}

/// A clock that goes on when it is read.
pub mod clock {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::Duration;

    static NOW: AtomicU64 = AtomicU64::new(1_000_000_000_000);
    const STEP: Duration = Duration::from_micros(300);

    pub fn of(_which: libc::clockid_t) -> Duration {
        Duration::from_nanos(NOW.fetch_add(STEP.as_nanos() as u64, SeqCst))
    }

    pub fn pass(time: Duration) {
        NOW.fetch_add(time.as_nanos() as u64, SeqCst);
    }

    /// An order shows the same times whenever it is run.
    pub fn begin() {
        NOW.store(1_000_000_000_000, SeqCst);
        super::ARE_SEVERAL.store(false, SeqCst);
    }
}

/// Waits that end by themselves, after some turns of the others.
pub mod futex {
    use std::time::Duration;

    use super::clock;
    use crate::sys::atomic::AtomicU64;

    pub fn wait_for_half(_word: &AtomicU64, _seen: u32, most: Duration) {
        shuttle::thread::yield_now();
        clock::pass(most / 4);
    }

    pub fn wake_for_half(_word: &AtomicU64, _most: i32) {}
}

#[path = "../models/identity.rs"]
pub mod identity;

/// The mutex of a process. Whoever does not get it lets others go on.
pub mod lock {
    use std::sync::{Mutex, MutexGuard, TryLockError};

    use super::step;

    pub struct Lock<T>(Mutex<T>);

    pub type Guard<'a, T> = MutexGuard<'a, T>;

    impl<T> Lock<T> {
        pub const fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        pub fn lock(&self) -> Option<Guard<'_, T>> {
            loop {
                step();
                match self.0.try_lock() {
                    Ok(guard) => return Some(guard),
                    Err(TryLockError::Poisoned(_)) => return None,
                    Err(TryLockError::WouldBlock) => shuttle::thread::yield_now(),
                }
            }
        }

        pub fn hold(&self) -> Option<Held<'_, T>> {
            self.lock().map(Held)
        }
    }

    pub struct Held<'a, T>(Guard<'a, T>);

    impl<T> Held<'_, T> {
        pub fn value(&mut self) -> &mut T {
            &mut self.0
        }

        pub fn release(self) {}
    }

    impl<T: Default> Default for Lock<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }
}

pub mod forks {
    pub fn watch_forks() {}
}

/// There is memory.
pub mod reserve {
    pub fn is_short() -> bool {
        false
    }
}

pub mod boot {
    pub fn boot() -> Option<u64> {
        Some(1)
    }
}

/// The same numbers in each order.
pub mod entropy {
    use crate::sys::random::Random;

    pub fn fill(buffer: &mut [u8]) -> bool {
        let mut random = Random(0x5eed);
        buffer
            .iter_mut()
            .for_each(|byte| *byte = random.below(256) as u8);
        true
    }
}

/// There are no files here.
pub mod file {
    use std::path::Path;

    use crate::shm::region::layout::Layout;
    use crate::shm::region::memory::Memory;

    #[derive(Debug)]
    pub struct Refusal;

    pub struct Watch;

    impl Watch {
        pub fn is_whole(&self, _size: usize) -> bool {
            true
        }

        pub fn count_off(&self) {}

        pub fn times_off(&self) -> u64 {
            0
        }
    }

    pub fn open(_path: &Path, _bytes: usize) -> Result<(Memory, Layout, Watch), Refusal> {
        Err(Refusal)
    }
}
