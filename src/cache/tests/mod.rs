//! Tests of the cache. They are here and not in the tests folder because they recount its insides with `validate`.

mod behaviour;
mod concurrent;
mod model;
mod owner;
mod returning;

use std::sync::Arc;

use super::{Arrival, Batch, Cache, ClientHistory, Evicted, Expiry, Flush, Key, Outcome};

/// TLS1_2_VERSION
const TLS12: i32 = 0x0303;

/// A stand-in for an owning reference to a session: clones are the same object, and the object knows how many there
/// are.
#[derive(Clone, Debug)]
struct Session(Arc<u64>);

impl Session {
    fn new(number: u64) -> Session {
        Session(Arc::new(number))
    }

    fn references(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl PartialEq for Session {
    fn eq(&self, other: &Session) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn key(number: u64) -> Key {
    Key::new(&number.to_be_bytes(), TLS12).expect("8 bytes are an id")
}

/// What an insert has done.
#[must_use]
struct Inserted<V> {
    outcome: Outcome<V>,
    evicted: Evicted<V>,
}

fn insert<V: Clone + PartialEq>(
    cache: &Cache<V>,
    key: Key,
    value: V,
    expiry: Expiry,
    history: ClientHistory,
    now: i64,
) -> Inserted<V> {
    let mut evicted = Evicted::none();
    let arrival = Arrival {
        key: &key,
        value: &value,
        expiry,
        history,
        now,
    };
    let outcome = cache.insert(&arrival, &mut evicted);
    Inserted { outcome, evicted }
}

fn add(cache: &Cache<Session>, number: u64, expiry: i64) -> Inserted<Session> {
    add_of(cache, number, expiry, ClientHistory::New)
}

fn add_proven(cache: &Cache<Session>, number: u64, expiry: i64) -> Inserted<Session> {
    add_of(cache, number, expiry, ClientHistory::Proven)
}

fn add_of(
    cache: &Cache<Session>,
    number: u64,
    expiry: i64,
    history: ClientHistory,
) -> Inserted<Session> {
    let (key, session) = (key(number), Session::new(number));
    insert(cache, key, session, Expiry::at(expiry), history, 0)
}

/// The evicted values, in this order.
fn listed(evicted: Evicted<Session>) -> Vec<Session> {
    let mut list = Vec::new();
    evicted.for_each(|gone| list.push(gone));
    list
}

/// The numbers in some batches, sorted.
fn numbers(batches: impl Iterator<Item = Batch<Session>>) -> Vec<u64> {
    let mut numbers: Vec<u64> = batches.flatten().map(|session| *session.0).collect();
    numbers.sort_unstable();
    numbers
}
