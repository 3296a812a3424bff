//! The session that was not used for the longest time leaves.

use super::lists::{BySession, Links, Queue};
use super::{Arrival, Policy};

pub struct Lru {
    capacity: usize,
    cached: BySession<bool>,
    links: Links,
    by_use: Queue,
}

impl Lru {
    pub fn new(capacity: usize) -> Lru {
        Lru {
            capacity,
            cached: BySession::default(),
            links: Links::default(),
            by_use: Queue::new(),
        }
    }
}

impl Policy for Lru {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        let cached = self.cached.get(session);
        if cached {
            self.by_use.remove(&mut self.links, session);
            self.by_use.push_back(&mut self.links, session);
        }
        cached
    }

    fn insert(&mut self, arrival: Arrival) {
        if self.by_use.len() >= self.capacity
            && let Some(gone) = self.by_use.pop_front(&mut self.links)
        {
            self.cached.set(gone, false);
        }
        self.by_use.push_back(&mut self.links, arrival.session);
        self.cached.set(arrival.session, true);
    }

    fn remove(&mut self, session: u32) -> bool {
        let cached = self.cached.get(session);
        if cached {
            self.by_use.remove(&mut self.links, session);
            self.cached.set(session, false);
        }
        cached
    }
}
