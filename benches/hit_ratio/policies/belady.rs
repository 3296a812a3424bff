//! What somebody would do who knows the trace (Belady 1966): the session whose use is farthest away leaves, be it the
//! newcomer.
//!
//! The use of a session is the next visit of its client that offers it, if it has not expired by then; of a ticket, a
//! visit at which it will be among the latest. With one id for each client and no expiry nobody can do better. Sessions
//! that expire, and clients that are given two tickets after a miss, make it an estimate: there an eviction also
//! changes what is asked for later.

use std::collections::BinaryHeap;

use super::lists::BySession;
use super::{Arrival, Policy};
use crate::clients::NEVER;

pub struct Belady {
    capacity: usize,
    len: usize,
    /// One more than the next use of a cached session; 0 is not cached.
    next: BySession<u64>,
    /// By next use, the farthest first. An entry that `next` does not confirm is passed over.
    by_next: BinaryHeap<(u64, u32)>,
}

impl Belady {
    pub fn new(capacity: usize) -> Belady {
        Belady {
            capacity,
            len: 0,
            next: BySession::default(),
            by_next: BinaryHeap::new(),
        }
    }

    fn expect(&mut self, session: u32, next_use: u32) {
        let next = u64::from(next_use) + 1;
        if self.next.get(session) != next {
            self.next.set(session, next);
            self.by_next.push((next, session));
        }
    }
}

impl Policy for Belady {
    fn find(&mut self, session: u32, next_use: u32) -> bool {
        let cached = self.next.get(session) > 0;
        self.foresee(session, next_use);
        cached
    }

    fn insert(&mut self, arrival: Arrival) {
        if arrival.next_use == NEVER {
            return;
        }
        self.expect(arrival.session, arrival.next_use);
        self.len += 1;
        while self.len > self.capacity
            && let Some((next, farthest)) = self.by_next.pop()
        {
            if self.next.get(farthest) == next {
                self.remove(farthest);
            }
        }
    }

    fn remove(&mut self, session: u32) -> bool {
        let was_cached = self.next.get(session) > 0;
        if was_cached {
            self.next.set(session, 0);
            self.len -= 1;
        }
        was_cached
    }

    fn foresee(&mut self, session: u32, next_use: u32) {
        if self.next.get(session) == 0 {
            return;
        }
        if next_use == NEVER {
            self.remove(session);
        } else {
            self.expect(session, next_use);
        }
    }
}
