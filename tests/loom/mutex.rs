//! Models of the mutex of one process (`sys::lock`): its threads, and what a fork leaves of those of its parent.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread;

use crate::played::{forks, futex};
use crate::process_lock::Lock;

pub const MODELS: &[(&str, fn())] = &[
    (
        "mutex / three threads exclude each other, and none sleeps for ever",
        exclusion,
    ),
    (
        "mutex / a child takes what is free, and never waits for its parent's threads",
        children,
    ),
    (
        "mutex / a panic closes it for who waits and for who comes",
        panics,
    ),
];

struct Shared {
    lock: Lock<()>,
    value: UnsafeCell<u32>,
}

// SAFETY: loom tells of accesses to `value` at once; that is what is tested.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        let lock = Lock::new(());
        assert!(lock.lock().is_some()); // its word is there before the threads
        Arc::new(Self {
            lock,
            value: UnsafeCell::new(0),
        })
    }

    /// Counts under the lock, which is taken in one of the two ways; false if it is lost.
    fn count(&self, by_guard: bool) -> bool {
        // SAFETY: whoever calls this holds the lock.
        let count = || self.value.with_mut(|value| unsafe { *value += 1 });
        if by_guard {
            return self.lock.lock().map(|_guard| count()).is_some();
        }
        let held = self.lock.hold();
        held.map(|held| {
            count();
            held.release();
        })
        .is_some()
    }

    fn value(&self) -> u32 {
        // SAFETY: the threads have ended.
        self.value.with(|value| unsafe { *value })
    }
}

fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    futex::lasts(true);
    builder.check(model);
    futex::lasts(false);
}

fn exclusion() {
    explore(3, || {
        let shared = Shared::new();
        let threads = [true, false].map(|by_guard| {
            let shared = shared.clone();
            thread::spawn(move || assert!(shared.count(by_guard)))
        });
        assert!(shared.count(false));
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.value(), 3);
    });
}

/// The child is a thread of another process, and its copy of the word is this very one. So each may find the other's number there,
/// which is lost to it.
fn children() {
    explore(3, || {
        let shared = Shared::new();
        let child = shared.clone();
        let child = thread::spawn(move || {
            forks::be(2);
            child.count(true)
        });
        let counted = [shared.count(false), child.join().unwrap()];
        assert!(counted.contains(&true));
        assert_eq!(shared.value(), counted.map(u32::from).iter().sum());
    });
}

fn panics() {
    explore(3, || {
        let shared = Shared::new();
        let other = shared.clone();
        let other = thread::spawn(move || other.count(true));
        let panics = || {
            let _held = shared.lock.hold();
            panic::resume_unwind(Box::new(()));
        };
        assert!(panic::catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert!(!shared.count(false));
        let came_first = other.join().unwrap();
        assert_eq!(shared.value(), u32::from(came_first));
    });
}
