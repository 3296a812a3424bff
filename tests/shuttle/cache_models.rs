//! Models of the cache of a process: threads that insert, look, take and flush at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::board::{Board, When};
use crate::cache::{Arrival, Cache, ClientHistory, Evicted, Expiry, Flush, Outcome};
use crate::explore::Model;
use crate::played::{clock, several};
use crate::region_models::key;
use crate::sys::random::Random;

pub const MODELS: &[(&str, Model)] = &[("cache / three threads", of_several)];

const THREADS: u64 = 3;
const KEYS: u64 = 4;
const CALLS: u64 = 8;

/// How many values there are.
static VALUES: AtomicU64 = AtomicU64::new(0);

/// A value that is counted.
struct Value(u64);

impl Value {
    fn new(number: u64) -> Arc<Self> {
        VALUES.fetch_add(1, SeqCst);
        Arc::new(Self(number))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        VALUES.fetch_sub(1, SeqCst);
    }
}

/// One that is made for so few sessions has one shard, under whose lock the bound is kept. So this is made for more, which it
/// decides with the first of them.
fn of_four_shards(capacity: usize) -> Cache<Arc<Value>> {
    let cache = Cache::new(if capacity == 0 { 0 } else { 1024 }, 4);
    let first = Arrival {
        key: &key(0),
        value: &Value::new(0),
        expiry: Expiry::NEVER,
        history: ClientHistory::New,
        now: 0,
    };
    drop(cache.insert(&first, &mut Evicted::none()));
    cache.flush(Flush::Everything).for_each(drop);
    cache.set_capacity(capacity);
    cache
}

fn of_several(random: &mut Random) {
    clock::begin();
    VALUES.store(0, SeqCst);
    let capacity = [0, 1, 2, 3][random.below(4) as usize];
    let cache = Arc::new(of_four_shards(capacity));
    let board = Board::default();
    several(|| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (cache, board, mut random) = (
                    cache.clone(),
                    board.clone(),
                    Random(random.below(u64::MAX) | 1),
                );
                shuttle::thread::spawn(move || {
                    for _ in 0..CALLS {
                        call(&cache, &board, &mut random);
                        assert!(
                            capacity == 0 || cache.len() <= capacity,
                            "more than there is room for"
                        );
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("a thread");
        }
    });
    cache.validate();
    let held = cache.iter().flatten().count();
    assert_eq!(
        (cache.len(), VALUES.load(SeqCst)),
        (held, held as u64),
        "a value is lost, or kept"
    );
}

fn call(cache: &Cache<Arc<Value>>, board: &Board, random: &mut Random) {
    let number = random.below(KEYS);
    let name = key(number);
    let began = board.begin();
    match random.below(9) {
        0..4 => {
            let put = board.put(number, When::Always);
            let expiry = Expiry::at(random.below(10) as i64);
            let arrival = Arrival {
                key: &name,
                value: &Value::new(put),
                expiry,
                history: ClientHistory::New,
                now: 0,
            };
            let done = cache.insert(&arrival, &mut Evicted::none());
            board.is_put(
                put,
                began,
                matches!(done, Outcome::Added | Outcome::Replaced(_)),
            );
        }
        4 => {
            if let Some(value) = cache.take(&name) {
                board.is_consumed(number, value.0, began);
                board.is_removed(number, board.begin());
            } else {
                // Nothing is there that was before.
                board.is_removed(number, began);
            }
        }
        5 => {
            cache.flush(Flush::Everything).for_each(drop);
            (0..KEYS).for_each(|number| board.is_removed(number, began));
        }
        6 => {
            if let Some(value) = cache.get(&name) {
                let is_gone = cache.remove_if_same(&name, &value).is_some();
                board.is_found(number, value.0, began);
                if is_gone {
                    board.is_consumed(number, value.0, began);
                }
            }
        }
        7 => cache.iter().for_each(drop),
        _ => {
            if let Some(value) = cache.get(&name) {
                board.is_found(number, value.0, began);
            }
        }
    }
}
