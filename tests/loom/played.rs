//! What is beneath the files under test.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use loom::sync::atomic::AtomicU32;

/// A word of loom's that can be made where constants are: it is there when it is first used.
pub struct Early {
    value: u32,
    word: OnceLock<AtomicU32>,
}

impl Early {
    pub const fn new(value: u32) -> Self {
        let word = OnceLock::new();
        Self { value, word }
    }

    /// There from the beginning.
    pub fn begun(value: u32) -> Self {
        let early = Self::new(value);
        early.word();
        early
    }

    fn word(&self) -> &AtomicU32 {
        self.word.get_or_init(|| AtomicU32::new(self.value))
    }

    pub fn load(&self, order: Ordering) -> u32 {
        self.word().load(order)
    }

    pub fn store(&self, value: u32, order: Ordering) {
        self.word().store(value, order);
    }

    pub fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.word().swap(value, order)
    }

    pub fn fetch_add(&self, more: u32, order: Ordering) -> u32 {
        self.word().fetch_add(more, order)
    }

    pub fn compare_exchange(
        &self,
        seen: u32,
        value: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.word().compare_exchange(seen, value, success, failure)
    }
}

/// The numbers of processes, each of which is a thread here.
pub mod forks {
    use std::cell::Cell;

    loom::thread_local! {
        static OWN: Cell<u32> = Cell::new(1);
    }

    pub fn this_process() -> u32 {
        OWN.with(Cell::get)
    }

    #[allow(dead_code)] // unit tests do
    pub fn watch_forks() {}

    /// The process of this number from now on.
    pub fn be(number: u32) {
        OWN.with(|own| own.set(number));
    }
}

/// errno is nobody's here.
pub mod guard {
    pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
}

/// Memory that processes share. A word is one of loom's, whatever its place, and is there when it is first used.
pub mod memory {
    use std::collections::HashMap;
    use std::io;
    use std::os::fd::RawFd;
    use std::sync::{Arc, Mutex};

    use crate::sys::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

    #[derive(Default)]
    struct Words {
        words: HashMap<usize, Box<AtomicU64>>,
        halves: HashMap<usize, Box<AtomicU32>>,
    }

    #[derive(Clone, Default)]
    pub struct Memory(Arc<Mutex<Words>>);

    /// What files map: there is one.
    static OF_FILES: Mutex<Option<Memory>> = Mutex::new(None);

    impl Memory {
        /// With all words there: a thread that uses one has to begin after it.
        pub fn anonymous(len: usize) -> io::Result<Self> {
            let memory = Self::default();
            for at in (0..len).step_by(8) {
                memory.u64(at);
                memory.u32(at);
                memory.u32(at + 4);
            }
            Ok(memory)
        }

        /// The memory of the one file, which begins anew.
        pub fn of_new_file() -> Self {
            let memory = Self::default();
            *OF_FILES.lock().unwrap() = Some(memory.clone());
            memory
        }

        pub fn to_read(_file: RawFd, _len: usize) -> io::Result<Self> {
            Ok(OF_FILES.lock().unwrap().clone().expect("there is one"))
        }

        pub fn u64(&self, at: usize) -> &AtomicU64 {
            let mut words = self.0.lock().unwrap();
            let word = words
                .words
                .entry(at)
                .or_insert_with(|| Box::new(AtomicU64::new(0)));
            // SAFETY: the box is dropped with the memory only, which outlives the reference.
            unsafe { &*core::ptr::from_ref(&**word) }
        }

        pub fn u32(&self, at: usize) -> &AtomicU32 {
            let mut words = self.0.lock().unwrap();
            let word = words
                .halves
                .entry(at)
                .or_insert_with(|| Box::new(AtomicU32::begun(0)));
            // SAFETY: as above.
            unsafe { &*core::ptr::from_ref(&**word) }
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

        pub fn wipe(&self, from: usize, to: usize) {
            for at in (from..to).step_by(8) {
                self.u64(at).store(0, Relaxed);
            }
        }
    }
}

/// Writing into a file, whose memory is mapped elsewhere: through the kernel, in the order of the calls.
pub mod files {
    use std::os::fd::AsRawFd;

    use super::memory::Memory;
    use crate::mailbox::layout::{ANSWERED_AT, LINE_BYTES, SLOTS};
    use crate::sys::atomic::{Ordering::Relaxed, Ordering::SeqCst, fence};

    pub fn write_at(_file: &impl AsRawFd, at: usize, bytes: &[u8]) {
        let memory = Memory::to_read(0, 0).expect("there is one");
        fence(SeqCst);
        match (ANSWERED_AT..ANSWERED_AT + SLOTS * LINE_BYTES).contains(&at) {
            true => {
                let number = u32::from_ne_bytes(bytes.try_into().expect("four bytes"));
                memory.u32(at).store(number, Relaxed);
            }
            false => memory.write(at, bytes),
        }
        fence(SeqCst);
    }
}

/// A clock that goes on when it is read, and as the test says. It is not set back between two runs of a model, which only look at
/// differences.
pub mod clock {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::Duration;

    static NOW: AtomicU64 = AtomicU64::new(1_000_000_000_000);
    static STEP: AtomicU64 = AtomicU64::new(0);

    pub fn second() -> i64 {
        1
    }

    pub fn of(_which: libc::clockid_t) -> Duration {
        Duration::from_nanos(NOW.fetch_add(STEP.load(SeqCst), SeqCst))
    }

    pub fn goes_on_by(step: Duration) {
        STEP.store(step.as_nanos() as u64, SeqCst);
    }

    pub fn pass(time: Duration) {
        NOW.fetch_add(time.as_nanos() as u64, SeqCst);
    }
}

/// The kernel's wait.
pub mod futex {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::time::Duration;

    use loom::sync::{Condvar, Mutex};

    use super::clock;
    use crate::sys::atomic::{AtomicU32, AtomicU64};

    /// Whether waits end by themselves.
    static ENDS: AtomicBool = AtomicBool::new(false);

    pub fn ends(ends: bool) {
        ENDS.store(ends, SeqCst);
    }

    loom::lazy_static! {
        static ref SLEEPERS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    /// Whether a wait for a word of 32 bits lasts until somebody wakes the waiter.
    static LASTS: AtomicBool = AtomicBool::new(false);

    pub fn lasts(lasts: bool) {
        LASTS.store(lasts, SeqCst);
    }

    /// The others go on meanwhile. It ends early, unless waits last.
    pub fn wait(word: &AtomicU32, seen: u32, _most: Duration) {
        if !LASTS.load(SeqCst) {
            return loom::thread::yield_now();
        }
        let (lock, sleepers) = &*SLEEPERS;
        let held = lock.lock().unwrap();
        if word.load(SeqCst) == seen {
            drop(sleepers.wait(held).unwrap());
        }
    }

    pub fn wake(_word: &AtomicU32, most: i32) {
        if !LASTS.load(SeqCst) {
            return;
        }
        let (lock, sleepers) = &*SLEEPERS;
        let _held = lock.lock().unwrap();
        match most {
            1 => sleepers.notify_one(),
            _ => sleepers.notify_all(),
        }
    }

    pub fn wait_for_half(word: &AtomicU64, seen: u32, most: Duration) {
        if ENDS.load(SeqCst) {
            clock::pass(most);
            return;
        }
        let (lock, sleepers) = &*SLEEPERS;
        let held = lock.lock().unwrap();
        if word.load(SeqCst) as u32 == seen {
            drop(sleepers.wait(held).unwrap());
        }
    }

    pub fn wake_for_half(_word: &AtomicU64, _most: i32) {
        if ENDS.load(SeqCst) {
            return;
        }
        let (lock, sleepers) = &*SLEEPERS;
        let _held = lock.lock().unwrap();
        sleepers.notify_one();
    }
}

#[path = "../models/identity.rs"]
pub mod identity;
