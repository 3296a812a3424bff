//! SIEVE as published (Zhang et al., NSDI 2024, algorithm 1): one queue, a bit for each session, and a hand that walks from the
//! oldest to the newest and evicts the first session that was not used since it last came by.

use super::lists::{BySession, Links, Queue};
use super::{Arrival, Policy};

pub struct Sieve {
    capacity: usize,
    links: Links,
    /// The oldest at the front.
    queue: Queue,
    cached: BySession<bool>,
    used: BySession<bool>,
    hand: Option<u32>,
}

impl Sieve {
    pub fn new(capacity: usize) -> Sieve {
        Sieve {
            capacity,
            links: Links::default(),
            queue: Queue::new(),
            cached: BySession::default(),
            used: BySession::default(),
            hand: None,
        }
    }

    fn evict(&mut self) {
        while let Some(at) = self.hand.or(self.queue.front()) {
            if !self.used.get(at) {
                self.take_out(at);
                return;
            }
            self.used.set(at, false);
            self.hand = self.links.after(at);
        }
    }

    fn take_out(&mut self, session: u32) {
        if self.hand == Some(session) {
            self.hand = self.links.after(session);
        }
        self.queue.remove(&mut self.links, session);
        self.cached.set(session, false);
    }
}

impl Policy for Sieve {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        let cached = self.cached.get(session);
        if cached {
            self.used.set(session, true);
        }
        cached
    }

    fn insert(&mut self, arrival: Arrival) {
        if self.queue.len() >= self.capacity {
            self.evict();
        }
        self.queue.push_back(&mut self.links, arrival.session);
        self.cached.set(arrival.session, true);
        self.used.set(arrival.session, false);
    }

    fn remove(&mut self, session: u32) -> bool {
        let cached = self.cached.get(session);
        if cached {
            self.take_out(session);
        }
        cached
    }
}
