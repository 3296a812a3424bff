//! Random operations against a naive model of the same contract.
//!
//! The cache chooses which session leaves a full one: the model takes note of it, and checks that it was one of
//! the cached and that exactly as many left as had to.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::cache::{Outcome, Sweep};

/// Which of two objects of one key an operation uses: the one that the model holds for it, or one never seen.
#[derive(Clone, Copy, Debug)]
enum Object {
    Cached,
    Other,
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u16, Object, i64, ClientHistory, i64),
    /// As many keys in a row, all expiring within a few seconds: fills slots, buckets and segments.
    InsertMany(u16, u16, i64),
    Get(u16),
    GetOnce(u16),
    Take(u16),
    RemoveIfSame(u16, Object),
    SetExpiry(u16, Object, i64),
    Flush(Flush),
    BeginSweep(Flush),
    StepSweep(usize),
    SetCapacity(usize),
    Iterate,
}

fn seconds() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 0..200i64,
        3 => -5_000..50_000i64,
        1 => prop_oneof![Just(0), Just(i64::MIN), Just(i64::MIN + 1), Just(i64::MAX - 1), Just(i64::MAX), any::<i64>()],
    ]
}

fn capacities() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(2),
        Just(10),
        Just(100),
        Just(700),
        Just(3000)
    ]
}

fn flushes() -> impl Strategy<Value = Flush> {
    prop_oneof![1 => Just(Flush::Everything), 8 => seconds().prop_map(Flush::ExpiredBefore)]
}

fn operations() -> impl Strategy<Value = Op> {
    let number = || prop_oneof![0..24u16, 0..2000u16];
    let object = || prop_oneof![Just(Object::Cached), Just(Object::Other)];
    let standing = prop_oneof![
        Just(ClientHistory::New),
        Just(ClientHistory::Returning),
        Just(ClientHistory::Proven)
    ];
    prop_oneof![
        12 => (number(), object(), seconds(), standing, seconds()).prop_map(|(n, o, e, s, t)| Op::Insert(n, o, e, s, t)),
        3 => (number(), 1..700u16, seconds()).prop_map(|(n, count, e)| Op::InsertMany(n, count, e)),
        6 => (number(), any::<bool>()).prop_map(|(n, once)| if once { Op::GetOnce(n) } else { Op::Get(n) }),
        4 => number().prop_map(Op::Take),
        4 => (number(), object()).prop_map(|(n, o)| Op::RemoveIfSame(n, o)),
        4 => (number(), object(), seconds()).prop_map(|(n, o, e)| Op::SetExpiry(n, o, e)),
        3 => flushes().prop_map(Op::Flush),
        2 => flushes().prop_map(Op::BeginSweep),
        8 => (0..4usize).prop_map(Op::StepSweep),
        2 => capacities().prop_map(Op::SetCapacity),
        1 => Just(Op::Iterate),
    ]
}

/// Ids of every length, most of them short and many sharing their first bytes, under two versions.
fn key_of(number: u16) -> Key {
    let length = usize::from(number).min(31) + 1;
    let mut id = [7; 32];
    id[30..].copy_from_slice(&(number / 2).to_be_bytes());
    Key::new(&id[..length], 0x0303 + i32::from(number % 2)).expect("at most 32 bytes")
}

struct Model<'a> {
    cache: &'a Cache<Session>,
    cached: HashMap<u16, (Session, Expiry)>,
    /// One reference to every object there ever was, to count what others have.
    seen: Vec<Session>,
    sweeps: Vec<(Flush, Sweep<'a, Session>)>,
}

impl<'a> Model<'a> {
    fn apply(&mut self, op: Op) {
        match op {
            Op::Insert(n, object, expiry, standing, now) => {
                self.insert(n, object, Expiry::at(expiry), standing, now)
            }
            Op::InsertMany(from, count, expiry) => {
                for n in from..from + count {
                    let expiry = Expiry::at(expiry.saturating_add(i64::from(n % 7)));
                    self.insert(n, Object::Other, expiry, ClientHistory::New, 0);
                }
            }
            Op::Get(n) | Op::GetOnce(n) => {
                assert_eq!(
                    self.cache.contains(&key_of(n)),
                    self.cached.contains_key(&n)
                );
                let found = match op {
                    Op::GetOnce(n) => self.cache.get_once(&key_of(n)),
                    _ => self.cache.get(&key_of(n)),
                };
                assert_eq!(
                    found.as_ref(),
                    self.cached.get(&n).map(|(session, _)| session)
                );
                if found.is_none() {
                    assert_ne!(self.cache.history_of(&key_of(n)), ClientHistory::New);
                }
            }
            Op::Take(n) => {
                assert_eq!(
                    self.cache.take(&key_of(n)),
                    self.cached.remove(&n).map(|(session, _)| session)
                );
            }
            Op::RemoveIfSame(n, object) => {
                let (session, same) = self.object(n, object);
                let expected = same
                    .then(|| self.cached.remove(&n))
                    .flatten()
                    .map(|(session, _)| session);
                assert_eq!(self.cache.remove_if_same(&key_of(n), &session), expected);
            }
            Op::SetExpiry(n, object, expiry) => {
                let (session, same) = self.object(n, object);
                assert_eq!(
                    self.cache
                        .set_expiry_if_same(&key_of(n), &session, Expiry::at(expiry)),
                    same
                );
                if same && let Some((_, cached)) = self.cached.get_mut(&n) {
                    *cached = Expiry::at(expiry);
                }
            }
            Op::Flush(which) => self.flush(which),
            Op::BeginSweep(which) => self.sweeps.push((which, self.cache.flush(which))),
            Op::StepSweep(which) => self.step_sweep(which),
            Op::SetCapacity(capacity) => {
                self.cache.set_capacity(capacity);
                assert_eq!(self.cache.capacity(), capacity);
            }
            Op::Iterate => assert_eq!(
                self.cache
                    .iter()
                    .map(|batch| self.all_cached(&batch))
                    .sum::<usize>(),
                self.cached.len()
            ),
        }
    }

    /// An object for an operation on this key, and whether it is the cached one.
    fn object(&mut self, n: u16, object: Object) -> (Session, bool) {
        match (object, self.cached.get(&n)) {
            (Object::Cached, Some((session, _))) => (session.clone(), true),
            _ => {
                let session = Session::new(u64::from(n));
                self.seen.push(session.clone());
                (session, false)
            }
        }
    }

    fn insert(
        &mut self,
        n: u16,
        object: Object,
        expiry: Expiry,
        standing: ClientHistory,
        now: i64,
    ) {
        let (session, same) = self.object(n, object);
        let limit = match self.cache.capacity() {
            0 => usize::MAX,
            capacity => capacity,
        };
        let Inserted { outcome, evicted } = insert(
            self.cache,
            key_of(n),
            session.clone(),
            expiry,
            standing,
            now,
        );
        let evicted = listed(evicted);
        if same {
            assert!(matches!(&outcome, Outcome::AlreadyCached));
            assert!(evicted.is_empty());
            self.cached.insert(n, (session, expiry));
            return;
        }
        let before = self.cached.len();
        for gone in &evicted {
            let n = *gone.0 as u16;
            assert_eq!(
                self.cached.remove(&n).map(|(session, _)| session).as_ref(),
                Some(gone),
                "only a cached one leaves"
            );
        }
        let replaced = self
            .cached
            .insert(n, (session, expiry))
            .map(|(session, _)| session);
        match outcome {
            Outcome::Added => assert_eq!(replaced, None),
            Outcome::Replaced(old) => assert_eq!(replaced, Some(old)),
            Outcome::AlreadyCached | Outcome::Refused => panic!("{outcome:?}"),
        }
        let needed = (before + usize::from(replaced.is_none())).saturating_sub(limit);
        assert_eq!(evicted.len(), needed, "exactly as many leave as have to");
        assert!(self.cache.len() <= limit);
    }

    fn flush(&mut self, which: Flush) {
        let gone: Vec<Session> = self.cache.flush(which).flatten().collect();
        let before = self.cached.len();
        match which {
            Flush::Everything => self.cached.clear(),
            Flush::ExpiredBefore(t) => self.cached.retain(|_, (_, expiry)| !expiry.has_passed(t)),
        }
        assert_eq!(gone.len(), before - self.cached.len(), "flush({which:?})");
        assert_eq!(
            self.all_cached(&gone),
            0,
            "none that left should have stayed"
        );
    }

    /// One batch of a flush that others come between.
    fn step_sweep(&mut self, which: usize) {
        let Some((which, sweep)) = self.sweeps.get_mut(which) else {
            return;
        };
        for gone in sweep.next().into_iter().flatten() {
            let (session, expiry) = self
                .cached
                .remove(&(*gone.0 as u16))
                .expect("only a cached one leaves");
            assert_eq!(session, gone);
            assert!(
                matches!(which, Flush::Everything)
                    || matches!(which, Flush::ExpiredBefore(t) if expiry.has_passed(*t))
            );
        }
    }

    /// How many of these are the cached object of their key.
    fn all_cached(&self, sessions: &[Session]) -> usize {
        let is_cached = |session: &&Session| {
            self.cached
                .get(&(*session.0 as u16))
                .is_some_and(|(cached, _)| cached == *session)
        };
        sessions.iter().filter(is_cached).count()
    }

    fn check(&self) {
        self.cache.validate();
        assert_eq!(self.cache.len(), self.cached.len());
        for session in &self.seen {
            // Ours, and for a cached one the model's and the cache's.
            let expected = 1 + 2 * self.all_cached(std::slice::from_ref(session));
            assert_eq!(
                session.references(),
                expected,
                "no reference is lost or doubled"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_agrees_with_the_model(
        capacity in capacities(),
        shards in 1..9usize,
        ops in prop::collection::vec(operations(), 1..60),
    ) {
        let cache = Cache::new(capacity, shards);
        let mut model = Model { cache: &cache, cached: HashMap::new(), seen: Vec::new(), sweeps: Vec::new() };
        for op in ops {
            model.apply(op);
            model.check();
        }
        let seen = std::mem::take(&mut model.seen);
        drop(model);
        drop(cache);
        prop_assert!(seen.iter().all(|session| session.references() == 1));
    }
}
