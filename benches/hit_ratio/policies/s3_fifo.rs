//! S3-FIFO as published (Yang et al., SOSP 2023, algorithm 1), with its ghost queue.
//!
//! There an object that was evicted comes back under its own name. A session does not, but its client offers it once
//! more: here the ghost is asked for the id that was offered in vain, and the session made instead is admitted like an
//! object that came back. A cache that only sees what it is given to keep could not do that.

use super::lists::{BySession, Queues};
use super::{Arrival, Policy};

#[derive(Clone, Copy, Default, PartialEq)]
enum Place {
    #[default]
    Unknown,
    Small,
    Main,
    Ghost,
}

impl From<Place> for usize {
    fn from(place: Place) -> usize {
        place as usize
    }
}

const USES_MOST: u8 = 3;

pub struct S3Fifo {
    capacity: usize,
    queues: Queues<Place, 3>,
    uses: BySession<u8>,
}

impl S3Fifo {
    pub fn new(capacity: usize) -> S3Fifo {
        S3Fifo {
            capacity,
            queues: Queues::new(),
            uses: BySession::default(),
        }
    }

    fn small_share(&self) -> usize {
        (self.capacity / 10).max(1)
    }

    fn evict(&mut self) {
        if self.queues.len(Place::Small) >= self.small_share() || self.queues.len(Place::Main) == 0
        {
            self.evict_small();
        } else {
            self.evict_main();
        }
    }

    fn evict_small(&mut self) {
        while let Some(oldest) = self.queues.front(Place::Small) {
            if self.uses.get(oldest) > 1 {
                self.uses.set(oldest, 0);
                self.queues.put(oldest, Place::Main);
                if self.queues.len(Place::Main) > self.capacity - self.small_share() {
                    return self.evict_main();
                }
            } else {
                self.queues.put(oldest, Place::Ghost);
                if self.queues.len(Place::Ghost) > self.capacity - self.small_share()
                    && let Some(forgotten) = self.queues.front(Place::Ghost)
                {
                    self.queues.put(forgotten, Place::Unknown);
                }
                return;
            }
        }
    }

    fn evict_main(&mut self) {
        while let Some(oldest) = self.queues.front(Place::Main) {
            let uses = self.uses.get(oldest);
            if uses == 0 {
                return self.queues.put(oldest, Place::Unknown);
            }
            self.uses.set(oldest, uses - 1);
            self.queues.put(oldest, Place::Main);
        }
    }
}

impl Policy for S3Fifo {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        let cached = matches!(self.queues.place(session), Place::Small | Place::Main);
        if cached {
            let uses = self.uses.get(session);
            self.uses.set(session, (uses + 1).min(USES_MOST));
        }
        cached
    }

    fn insert(&mut self, arrival: Arrival) {
        // Several, where what leaves small only moves on to main.
        while self.queues.len(Place::Small) + self.queues.len(Place::Main) >= self.capacity {
            self.evict();
        }
        let back = arrival
            .offered
            .filter(|&session| self.queues.place(session) == Place::Ghost);
        if let Some(session) = back {
            self.queues.put(session, Place::Unknown);
        }
        let place = if back.is_some() {
            Place::Main
        } else {
            Place::Small
        };
        self.queues.put(arrival.session, place);
    }

    fn remove(&mut self, session: u32) -> bool {
        let cached = matches!(self.queues.place(session), Place::Small | Place::Main);
        if cached {
            self.queues.put(session, Place::Unknown);
        }
        cached
    }
}
