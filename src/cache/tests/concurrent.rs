//! Several threads at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use super::*;
use crate::cache::Outcome;
use crate::sys::random::Random;

const THREADS: u64 = 8;

/// Everything a thread can do, at random, on few keys; returns the sessions it made.
fn mixed_work(cache: &Cache<Session>, thread: u64, rounds: u64) -> Vec<Session> {
    let mut random = Random(thread + 1);
    let mut made = Vec::new();
    for round in 0..rounds {
        let number = random.below(4_000);
        match random.below(16) {
            0..8 => {
                let session = Session::new(number);
                made.push(session.clone());
                let expiry = Expiry::at(random.below(10_000) as i64);
                let _ = insert(
                    cache,
                    key(number),
                    session,
                    expiry,
                    ClientHistory::New,
                    round as i64,
                );
            }
            8..12 => drop(cache.get(&key(number))),
            12 | 13 => drop(cache.take(&key(number))),
            14 => {
                if let Some(session) = cache.get(&key(number)) {
                    cache.set_expiry_if_same(
                        &key(number),
                        &session,
                        Expiry::at(random.below(10_000) as i64),
                    );
                    drop(cache.remove_if_same(&key(number), &session));
                }
            }
            _ => match random.below(64) {
                0 => cache.flush(Flush::Everything).for_each(drop),
                1 => cache.iter().for_each(drop),
                _ => cache
                    .flush(Flush::ExpiredBefore(random.below(2_000) as i64))
                    .for_each(drop),
            },
        }
    }
    made
}

#[test]
fn threads_never_exceed_the_bound_and_lose_or_double_no_reference() {
    for (capacity, shards) in [(1, 8), (10, 8), (2_048, 8), (700, 1)] {
        let cache = Cache::new(0, shards);
        let _ = add(&cache, 0, 0); // Without a bound come all shards, so that few seats go round among many.
        cache.set_capacity(capacity);
        let done = AtomicBool::new(false);
        let made: Vec<Session> = thread::scope(|scope| {
            let workers: Vec<_> = (0..THREADS)
                .map(|t| {
                    scope.spawn({
                        let cache = &cache;
                        move || mixed_work(cache, t, 20_000)
                    })
                })
                .collect();
            let sampler = scope.spawn(|| {
                while !done.load(Relaxed) {
                    let len = cache.len();
                    assert!(len <= capacity, "{len} of {capacity}");
                }
            });
            let made = workers
                .into_iter()
                .flat_map(|worker| worker.join().expect("a worker"))
                .collect();
            done.store(true, Relaxed);
            sampler.join().expect("the sampler");
            made
        });
        cache.validate();
        let cached: Vec<Session> = cache.iter().flatten().collect();
        assert_eq!(cached.len(), cache.len());
        drop(cache);
        drop(cached);
        assert!(made.iter().all(|session| session.references() == 1));
    }
}

#[test]
fn a_session_that_many_threads_take_goes_to_exactly_one() {
    const ROUNDS: u64 = 5_000;
    let cache = Cache::new(0, 8);
    let barrier = Barrier::new(THREADS as usize);
    let taken = AtomicU64::new(0);
    thread::scope(|scope| {
        for t in 0..THREADS {
            let (cache, barrier, taken) = (&cache, &barrier, &taken);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    if round % THREADS == t {
                        let _ = add(cache, round, 100);
                    }
                    barrier.wait();
                    if cache.take(&key(round)).is_some() {
                        taken.fetch_add(1, Relaxed);
                    }
                    barrier.wait();
                    assert_eq!(taken.load(Relaxed), round + 1);
                    barrier.wait();
                }
            });
        }
    });
    assert!(cache.is_empty());
}

#[test]
fn flush_everything_and_resize_end_while_others_keep_adding() {
    let cache = Cache::new(0, 4);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for t in 1..THREADS {
            let (cache, done) = (&cache, &done);
            scope.spawn(move || {
                let mut number = t << 32;
                while !done.load(Relaxed) {
                    assert!(!matches!(
                        add(cache, number, (number % 5_000) as i64).outcome,
                        Outcome::Refused
                    ));
                    number += 1;
                }
            });
        }
        for round in 0..100 {
            cache.set_capacity([0, 5_000, 50, 0, 1][round % 5]);
            cache.flush(Flush::Everything).for_each(drop);
            cache.flush(Flush::ExpiredBefore(i64::MAX)).for_each(drop);
        }
        done.store(true, Relaxed);
    });
    cache.validate();
    let counters = cache.counters();
    let left = counters.evicted + counters.expired + counters.flushed + counters.removed;
    assert_eq!(counters.inserted - left, cache.len() as u64);
}

#[test]
fn flushes_at_once_leave_nothing_that_the_next_one_misses() {
    let cache = Cache::new(0, 1);
    for round in 0..20 {
        thread::scope(|scope| {
            for t in 0..THREADS {
                let cache = &cache;
                scope.spawn(move || {
                    for number in 0..3_000 {
                        let _ = add(
                            cache,
                            (round * THREADS + t) * 10_000 + number,
                            (number % 40) as i64,
                        );
                        if number % 64 == t {
                            cache
                                .flush(Flush::ExpiredBefore((number % 37) as i64))
                                .for_each(drop);
                        }
                    }
                });
            }
        });
        cache.validate();
        cache.flush(Flush::ExpiredBefore(20)).for_each(drop);
        assert!(
            cache
                .iter()
                .flatten()
                .all(|session| *session.0 % 10_000 % 40 >= 20)
        );
    }
}
