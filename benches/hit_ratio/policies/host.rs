//! What libssl does: the session that expires first leaves, of equals the oldest; of N there are N - 1 in use.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::lists::BySession;
use super::{Arrival, Policy};

pub struct Host {
    capacity: usize,
    len: usize,
    cached: BySession<bool>,
    /// Sessions that have left are passed over when they come up.
    by_expiry: BinaryHeap<Reverse<(i64, u32)>>,
}

impl Host {
    pub fn new(capacity: usize) -> Host {
        Host {
            capacity: (capacity - 1).max(1),
            len: 0,
            cached: BySession::default(),
            by_expiry: BinaryHeap::new(),
        }
    }
}

impl Policy for Host {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        self.cached.get(session)
    }

    fn insert(&mut self, arrival: Arrival) {
        while self.len >= self.capacity
            && let Some(Reverse((_, first))) = self.by_expiry.pop()
        {
            self.remove(first);
        }
        self.by_expiry
            .push(Reverse((arrival.expiry, arrival.session)));
        self.cached.set(arrival.session, true);
        self.len += 1;
    }

    fn remove(&mut self, session: u32) -> bool {
        let was_cached = self.cached.get(session);
        if was_cached {
            self.cached.set(session, false);
            self.len -= 1;
        }
        was_cached
    }
}
