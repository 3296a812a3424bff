//! S3-FIFO as published (Yang et al., SOSP 2023, algorithm 1), with its ghost queue.
//!
//! There an object that was evicted comes back under its own name. A session does not, but its client offers it once
//! more: here the ghost is asked for the id that was offered in vain, and the session made instead is admitted like an
//! object that came back. A cache that only sees what it is given to keep could not do that.

use super::lists::{BySession, Links, Queue};
use super::{Arrival, Policy};

#[derive(Clone, Copy, Default, PartialEq)]
enum Place {
    #[default]
    Unknown,
    Small,
    Main,
    Ghost,
}

const USES_MOST: u8 = 3;

pub struct S3Fifo {
    capacity: usize,
    links: Links,
    small: Queue,
    main: Queue,
    ghost: Queue,
    place: BySession<Place>,
    uses: BySession<u8>,
}

impl S3Fifo {
    pub fn new(capacity: usize) -> S3Fifo {
        S3Fifo {
            capacity,
            links: Links::default(),
            small: Queue::new(),
            main: Queue::new(),
            ghost: Queue::new(),
            place: BySession::default(),
            uses: BySession::default(),
        }
    }

    fn small_share(&self) -> usize {
        (self.capacity / 10).max(1)
    }

    fn queue(&mut self, place: Place) -> Option<&mut Queue> {
        match place {
            Place::Unknown => None,
            Place::Small => Some(&mut self.small),
            Place::Main => Some(&mut self.main),
            Place::Ghost => Some(&mut self.ghost),
        }
    }

    fn put(&mut self, session: u32, place: Place) {
        let mut links = std::mem::take(&mut self.links);
        let from = self.place.get(session);
        if let Some(queue) = self.queue(from) {
            queue.remove(&mut links, session);
        }
        if let Some(queue) = self.queue(place) {
            queue.push_back(&mut links, session);
        }
        self.links = links;
        self.place.set(session, place);
    }

    fn evict(&mut self) {
        if self.small.len() >= self.small_share() || self.main.len() == 0 {
            self.evict_small();
        } else {
            self.evict_main();
        }
    }

    fn evict_small(&mut self) {
        while let Some(oldest) = self.small.front() {
            if self.uses.get(oldest) > 1 {
                self.uses.set(oldest, 0);
                self.put(oldest, Place::Main);
                if self.main.len() > self.capacity - self.small_share() {
                    return self.evict_main();
                }
            } else {
                self.put(oldest, Place::Ghost);
                if self.ghost.len() > self.capacity - self.small_share()
                    && let Some(forgotten) = self.ghost.front()
                {
                    self.put(forgotten, Place::Unknown);
                }
                return;
            }
        }
    }

    fn evict_main(&mut self) {
        while let Some(oldest) = self.main.front() {
            let uses = self.uses.get(oldest);
            if uses == 0 {
                return self.put(oldest, Place::Unknown);
            }
            self.uses.set(oldest, uses - 1);
            self.put(oldest, Place::Main);
        }
    }
}

impl Policy for S3Fifo {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        let cached = matches!(self.place.get(session), Place::Small | Place::Main);
        if cached {
            let uses = self.uses.get(session);
            self.uses.set(session, (uses + 1).min(USES_MOST));
        }
        cached
    }

    fn insert(&mut self, arrival: Arrival) {
        // Several, where what leaves small only moves on to main.
        while self.small.len() + self.main.len() >= self.capacity {
            self.evict();
        }
        let back = arrival
            .offered
            .filter(|&session| self.place.get(session) == Place::Ghost);
        if let Some(session) = back {
            self.put(session, Place::Unknown);
        }
        let place = if back.is_some() {
            Place::Main
        } else {
            Place::Small
        };
        self.put(arrival.session, place);
    }

    fn remove(&mut self, session: u32) -> bool {
        let cached = matches!(self.place.get(session), Place::Small | Place::Main);
        if cached {
            self.put(session, Place::Unknown);
        }
        cached
    }
}
