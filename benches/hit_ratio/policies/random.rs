//! Any session leaves, each as likely as the other.

use super::lists::BySession;
use super::{Arrival, Policy};
use crate::random::Random;

pub struct RandomEviction {
    capacity: usize,
    random: Random,
    cached: Vec<u32>,
    /// One more than the place in `cached`; 0 is not there.
    place: BySession<u32>,
}

impl RandomEviction {
    pub fn new(capacity: usize) -> RandomEviction {
        RandomEviction {
            capacity,
            random: Random::new(5),
            cached: Vec::new(),
            place: BySession::default(),
        }
    }
}

impl Policy for RandomEviction {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        self.place.get(session) > 0
    }

    fn insert(&mut self, arrival: Arrival) {
        if self.cached.len() >= self.capacity {
            let chosen = self.cached[self.random.below(self.cached.len())];
            self.remove(chosen);
        }
        self.cached.push(arrival.session);
        self.place.set(arrival.session, self.cached.len() as u32);
    }

    fn remove(&mut self, session: u32) -> bool {
        let place = self.place.get(session) as usize;
        if place == 0 {
            return false;
        }
        self.cached.swap_remove(place - 1);
        if let Some(&moved) = self.cached.get(place - 1) {
            self.place.set(moved, place as u32);
        }
        self.place.set(session, 0);
        true
    }
}
