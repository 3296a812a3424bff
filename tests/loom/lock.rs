//! Models of the region's lock.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread::{self, JoinHandle};

use crate::played::memory::Memory;
use crate::played::{clock, futex, identity};
use crate::region_lock::{FENCED_AFTER, Lock, Wait};

pub const MODELS: &[(&str, fn())] = &[
    (
        "lock / two processes, twice each, exclude each other",
        exclusion_of_two,
    ),
    (
        "lock / three processes exclude each other, and none sleeps for ever",
        exclusion_of_three,
    ),
    ("lock / waits that end lose nothing", ends_of_waits),
    (
        "lock / the next one takes it from a process that has ended",
        takes_from_the_dead,
    ),
    (
        "lock / a holder that was fenced frees nobody else's",
        fenced,
    ),
    (
        "lock / a holder that was fenced frees not even its own process's",
        fenced_by_own_process,
    ),
    ("lock / a holder that unwinds leaves a repair", unwinds),
];

/// How many orders of steps were explored.
static ORDERS: AtomicU64 = AtomicU64::new(0);

/// The lock, and what it protects.
struct Shared {
    memory: Memory,
    value: UnsafeCell<u32>,
}

// SAFETY: loom tells of accesses to `value` at once; that is what is tested.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        identity::all_live();
        Arc::new(Self {
            memory: Memory::anonymous(24).expect("a few words"),
            value: UnsafeCell::new(0),
        })
    }

    fn lock(&self) -> Wait<'_> {
        Lock::at(&self.memory, 0).lock()
    }

    fn count(&self) {
        // SAFETY: whoever calls this holds the lock.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn value(&self) -> u32 {
        // SAFETY: whoever calls this holds the lock, or is alone.
        self.value.with(|value| unsafe { *value })
    }
}

fn process(
    number: u64,
    shared: &Arc<Shared>,
    what: impl FnOnce(&Shared) + 'static,
) -> JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        identity::be(number);
        what(&shared);
    })
}

/// Nobody is late, and whoever sleeps has to be woken. `switches`: how often at most a process is interrupted where it could go on.
fn model(switches: usize, of: impl Fn() + Send + Sync + 'static) {
    futex::ends(false);
    clock::goes_on_by(Duration::ZERO);
    explore(switches, of);
}

/// Time passes whenever it is looked at, by more than the whole wait for a lock in two looks.
fn model_with_time(switches: usize, of: impl Fn() + Send + Sync + 'static) {
    futex::ends(true);
    clock::goes_on_by(Duration::from_millis(3));
    explore(switches, of);
}

pub fn explore(switches: usize, of: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(switches));
    builder.check(move || {
        ORDERS.fetch_add(1, Relaxed);
        of();
    });
    eprintln!("{} orders", ORDERS.swap(0, Relaxed));
}

fn counts(shared: &Shared) {
    match shared.lock() {
        Wait::Had(held) => {
            shared.count();
            assert!(held.release());
        }
        Wait::TakenOver(_) => panic!("nobody has left anything"),
        Wait::InVain => panic!("nobody is late"),
    }
}

fn exclusion_of_two() {
    model(3, || {
        let shared = Shared::new();
        let other = process(2, &shared, |shared| {
            counts(shared);
            counts(shared);
        });
        counts(&shared);
        counts(&shared);
        other.join().unwrap();
        assert_eq!(shared.value(), 4);
    });
}

fn exclusion_of_three() {
    model(2, || {
        let shared = Shared::new();
        let others = [2, 3].map(|number| process(number, &shared, counts));
        counts(&shared);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(shared.value(), 3);
    });
}

fn ends_of_waits() {
    model_with_time(3, || {
        let shared = Shared::new();
        let tries = |shared: &Shared| {
            if let Wait::Had(held) = shared.lock() {
                shared.count();
                assert!(held.release());
            }
        };
        let other = process(2, &shared, tries);
        tries(&shared);
        other.join().unwrap();
        // Whoever was suspected has released it since.
        let before = shared.value();
        assert!(before > 0);
        counts(&shared);
    });
}

fn takes_from_the_dead() {
    model_with_time(2, || {
        let shared = Shared::new();
        let dies = process(4, &shared, |shared| {
            if let Wait::Had(held) = shared.lock() {
                mem::forget(held);
                identity::end();
            }
        });
        let takes = |shared: &Shared| match shared.lock() {
            Wait::Had(held) | Wait::TakenOver(held) => {
                shared.count();
                assert!(held.release(), "nobody fences those who are at work");
            }
            Wait::InVain => {}
        };
        let other = process(2, &shared, takes);
        takes(&shared);
        other.join().unwrap();
        dies.join().unwrap();
        // By now it is seen that the holder has ended, if it ever was one.
        assert!(!matches!(shared.lock(), Wait::InVain));
    });
}

fn fenced() {
    fenced_by(1);
}

fn fenced_by_own_process() {
    fenced_by(2);
}

fn fenced_by(process: u64) {
    model_with_time(3, move || {
        let shared = Shared::new();
        identity::be(process);
        let stopped = {
            let shared = shared.clone();
            thread::spawn(move || {
                identity::be(2);
                let Wait::Had(held) = shared.lock() else {
                    return true;
                };
                // Before it goes on, others may wait in vain, and time pass.
                held.release()
            })
        };
        let mut was_taken_over = false;
        for _ in 0..2 {
            match shared.lock() {
                Wait::Had(held) => assert!(held.release()),
                Wait::TakenOver(held) => {
                    was_taken_over = true;
                    shared.count();
                    assert!(held.release(), "it has taken the lock by itself");
                }
                Wait::InVain => clock::pass(FENCED_AFTER + Duration::from_secs(1)),
            }
        }
        let has_kept = stopped.join().unwrap();
        assert!(
            has_kept != was_taken_over || has_kept,
            "a fenced holder learns it"
        );
        match shared.lock() {
            Wait::Had(held) => {
                assert!(
                    has_kept,
                    "what the fenced one has changed since has to be repaired"
                );
                assert!(held.release());
            }
            Wait::TakenOver(held) => {
                assert!(!has_kept);
                assert!(held.release());
            }
            Wait::InVain => panic!("nobody holds it"),
        }
    });
}

fn unwinds() {
    model(4, || {
        let shared = Shared::new();
        let unwinds = process(2, &shared, |shared| match shared.lock() {
            Wait::Had(held) => {
                shared.count();
                drop(held);
            }
            _ => panic!("nobody is late, or has left anything"),
        });
        let repairs = match shared.lock() {
            Wait::Had(held) => {
                let first = shared.value() == 0;
                assert!(first, "what was left half changed is told");
                assert!(held.release());
                false
            }
            Wait::TakenOver(held) => {
                assert_eq!(shared.value(), 1);
                assert!(held.release());
                true
            }
            Wait::InVain => panic!("nobody is late"),
        };
        unwinds.join().unwrap();
        assert_eq!(matches!(shared.lock(), Wait::TakenOver(_)), !repairs);
    });
}
