//! What a value's own code may do: drop anything, and panic.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::cache::Outcome;

/// A value whose drop calls the cache it was in, as a remove callback of an application would.
struct Caller {
    number: u64,
    cache: &'static Cache<Caller>,
    drops: &'static AtomicU64,
}

impl Clone for Caller {
    fn clone(&self) -> Caller {
        Caller { ..*self }
    }
}

impl PartialEq for Caller {
    fn eq(&self, other: &Caller) -> bool {
        self.number == other.number
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // Every value ends here, those too that this makes: only the first hundred call back.
        if self.drops.fetch_add(1, Relaxed) < 100 {
            let number = self.number + 1_000;
            let again = Caller { number, ..*self };
            let _ = insert(
                self.cache,
                key(number),
                again,
                Expiry::at(50),
                ClientHistory::New,
                0,
            );
            let _ = self.cache.get(&key(self.number));
            assert!(self.cache.len() <= self.cache.capacity());
        }
    }
}

/// Fails if this takes longer than any machine needs.
fn within_ten_seconds(work: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    if wait.recv_timeout(Duration::from_secs(10)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("a value was dropped under the lock that its drop needs");
    }
    worker.join().expect("the worker");
}

#[test]
fn a_value_may_call_the_cache_when_it_is_dropped_whatever_made_it_leave() {
    within_ten_seconds(|| {
        let ways: [fn(&Cache<Caller>, Caller); 7] = [
            |cache, new| {
                drop(insert(
                    cache,
                    key(new.number),
                    new,
                    Expiry::at(9),
                    ClientHistory::New,
                    0,
                ))
            },
            |cache, same| {
                drop(insert(
                    cache,
                    key(1),
                    Caller { number: 1, ..same },
                    Expiry::at(9),
                    ClientHistory::New,
                    0,
                ))
            },
            |cache, other| {
                drop(insert(
                    cache,
                    key(1),
                    other,
                    Expiry::at(9),
                    ClientHistory::New,
                    0,
                ))
            },
            |cache, _| drop(cache.take(&key(1))),
            |cache, other| drop(cache.remove_if_same(&key(1), &Caller { number: 1, ..other })),
            |cache, _| cache.flush(Flush::Everything).for_each(drop),
            |cache, _| cache.flush(Flush::ExpiredBefore(60)).for_each(drop),
        ];
        for way in ways {
            let cache: &Cache<Caller> = Box::leak(Box::new(Cache::new(3, 1)));
            let drops: &AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
            let caller = |number| Caller {
                number,
                cache,
                drops,
            };
            for number in 1..=3 {
                let _ = insert(
                    cache,
                    key(number),
                    caller(number),
                    Expiry::at(50),
                    ClientHistory::New,
                    0,
                );
            }
            way(cache, caller(7));
            assert!(drops.load(Relaxed) > 0);
            cache.validate();
        }
    });
}

/// A value that cannot always be cloned.
#[derive(Debug)]
struct Fragile {
    session: Session,
    breaks: &'static AtomicBool,
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(!self.breaks.load(Relaxed), "as it was asked to");
        Fragile {
            session: self.session.clone(),
            breaks: self.breaks,
        }
    }
}

impl PartialEq for Fragile {
    fn eq(&self, other: &Self) -> bool {
        self.session == other.session
    }
}

#[test]
fn a_panic_under_the_lock_leaves_a_cache_that_misses_and_frees_what_it_has() {
    let breaks: &AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let session = Session::new(1);
    let fragile = || Fragile {
        session: session.clone(),
        breaks,
    };
    let add = |cache: &Cache<Fragile>, number| {
        let inserted = insert(
            cache,
            key(number),
            fragile(),
            Expiry::NEVER,
            ClientHistory::New,
            0,
        );
        matches!(inserted.outcome, Outcome::Added)
    };
    let cache = Cache::new(10, 1);
    assert!(add(&cache, 1));
    breaks.store(true, Relaxed);
    assert!(panic::catch_unwind(AssertUnwindSafe(|| cache.get(&key(1)))).is_err());
    breaks.store(false, Relaxed);

    assert_eq!(cache.get(&key(1)), None);
    assert_eq!(cache.take(&key(1)), None);
    assert!(!add(&cache, 2));
    assert_eq!(cache.flush(Flush::Everything).count(), 0);
    drop(cache);
    assert_eq!(session.references(), 1);
}
