//! What is beneath the files under test.

/// Memory that processes share. A word is one of loom's, whatever its place.
pub mod memory {
    use std::io;

    use crate::sys::atomic::{AtomicU32, AtomicU64};

    pub struct Memory {
        words: Vec<AtomicU64>,
        halves: Vec<AtomicU32>,
    }

    impl Memory {
        pub fn anonymous(len: usize) -> io::Result<Self> {
            Ok(Self {
                words: (0..len / 8).map(|_| AtomicU64::new(0)).collect(),
                halves: (0..len / 4).map(|_| AtomicU32::new(0)).collect(),
            })
        }

        pub fn u64(&self, at: usize) -> &AtomicU64 {
            &self.words[at / 8]
        }

        pub fn u32(&self, at: usize) -> &AtomicU32 {
            &self.halves[at / 4]
        }
    }
}

/// A clock that goes on when it is read, and as the test says. It is not set back between two runs of a model, which only look at
/// differences.
pub mod clock {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::Duration;

    static NOW: AtomicU64 = AtomicU64::new(1_000_000_000_000);
    static STEP: AtomicU64 = AtomicU64::new(0);

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
    use crate::sys::atomic::AtomicU64;

    /// Whether waits end by themselves.
    static ENDS: AtomicBool = AtomicBool::new(false);

    pub fn ends(ends: bool) {
        ENDS.store(ends, SeqCst);
    }

    loom::lazy_static! {
        static ref SLEEPERS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
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

/// Processes, each of which is a thread here.
pub mod identity {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    pub const FLAGS: u64 = 0b11 << 30;
    pub const EPOCH_SHIFT: u32 = 40;
    pub const EPOCH_BITS: u32 = 8;

    loom::thread_local! {
        static OWN: Cell<u64> = Cell::new(1);
    }

    /// A bit for each process that has ended.
    static ENDED: AtomicU64 = AtomicU64::new(0);

    #[derive(Clone, Copy)]
    pub struct Identity(u64);

    impl Identity {
        pub fn own() -> Self {
            Self(OWN.with(Cell::get))
        }

        pub fn word(self) -> u64 {
            self.0
        }

        pub fn of_word(word: u64) -> Self {
            Self(word & 0xff)
        }

        pub fn has_ended(self, _judge: Self) -> bool {
            ENDED.load(SeqCst) >> self.0 & 1 != 0
        }
    }

    /// The process of this number, 1 or more, from now on.
    pub fn be(number: u64) {
        OWN.with(|own| own.set(number));
    }

    /// This process is no more.
    pub fn end() {
        ENDED.fetch_or(1 << Identity::own().word(), SeqCst);
    }

    pub fn all_live() {
        ENDED.store(0, SeqCst);
    }
}
