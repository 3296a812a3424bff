//! ARC as published (Megiddo and Modha, FAST 2003, figure 4): sessions that came once and sessions that came again, a memory
//! of what left either, and a share between the two that follows which memory is asked.

use super::lists::{BySession, Links, Queue};
use super::names::Names;
use super::{Arrival, Policy};

#[derive(Clone, Copy, Default, PartialEq)]
enum Place {
    #[default]
    Unknown,
    Once,
    Again,
    OnceLeft,
    AgainLeft,
}

/// Everything is by the names of sessions.
pub struct Arc {
    capacity: usize,
    /// How many of the places are for those that came once.
    once_wanted: usize,
    links: Links,
    queues: [Queue; 4],
    place: BySession<Place>,
    names: Names,
}

impl Arc {
    pub fn new(capacity: usize) -> Arc {
        Arc {
            capacity,
            once_wanted: 0,
            links: Links::default(),
            queues: [const { Queue::new() }; 4],
            place: BySession::default(),
            names: Names::default(),
        }
    }

    fn len(&self, place: Place) -> usize {
        self.queues[place as usize - 1].len()
    }

    fn put(&mut self, name: u32, place: Place) {
        let from = self.place.get(name);
        if from != Place::Unknown {
            self.queues[from as usize - 1].remove(&mut self.links, name);
        }
        if place != Place::Unknown {
            self.queues[place as usize - 1].push_back(&mut self.links, name);
        }
        self.place.set(name, place);
    }

    fn move_oldest(&mut self, from: Place, to: Place) {
        if let Some(oldest) = self.queues[from as usize - 1].front() {
            self.put(oldest, to);
        }
    }

    /// REPLACE of the paper.
    fn evict(&mut self, comes_back_to_again: bool) {
        let once = self.len(Place::Once);
        let over = once > self.once_wanted || comes_back_to_again && once == self.once_wanted;
        if once > 0 && (over || self.len(Place::Again) == 0) {
            self.move_oldest(Place::Once, Place::OnceLeft);
        } else {
            self.move_oldest(Place::Again, Place::AgainLeft);
        }
    }

    fn is_full(&self) -> bool {
        self.len(Place::Once) + self.len(Place::Again) >= self.capacity
    }

    fn is_cached(&self, name: u32) -> bool {
        matches!(self.place.get(name), Place::Once | Place::Again)
    }

    fn admit_new(&mut self, name: u32) {
        let (once, once_left) = (self.len(Place::Once), self.len(Place::OnceLeft));
        if once + once_left >= self.capacity {
            if once < self.capacity {
                self.move_oldest(Place::OnceLeft, Place::Unknown);
            } else {
                self.move_oldest(Place::Once, Place::Unknown);
            }
        } else if once + once_left + self.len(Place::Again) + self.len(Place::AgainLeft)
            >= 2 * self.capacity
        {
            self.move_oldest(Place::AgainLeft, Place::Unknown);
        }
        if self.is_full() {
            self.evict(false);
        }
        self.put(name, Place::Once);
    }
}

impl Policy for Arc {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        let name = self.names.of(session);
        let cached = self.names.holds(session) && self.is_cached(name);
        if cached {
            self.put(name, Place::Again);
        }
        cached
    }

    fn insert(&mut self, arrival: Arrival) {
        let place = &self.place;
        let cached = |name| matches!(place.get(name), Place::Once | Place::Again);
        let name = self.names.arrive(&arrival, cached);
        let (once_left, again_left) = (self.len(Place::OnceLeft), self.len(Place::AgainLeft));
        match self.place.get(name) {
            Place::OnceLeft => {
                let step = (again_left / once_left).max(1);
                self.once_wanted = (self.once_wanted + step).min(self.capacity);
                if self.is_full() {
                    self.evict(false);
                }
                self.put(name, Place::Again);
            }
            Place::AgainLeft => {
                let step = (once_left / again_left).max(1);
                self.once_wanted = self.once_wanted.saturating_sub(step);
                if self.is_full() {
                    self.evict(true);
                }
                self.put(name, Place::Again);
            }
            _ => self.admit_new(name),
        }
    }

    fn remove(&mut self, session: u32) -> bool {
        let name = self.names.of(session);
        let cached = self.names.holds(session) && self.is_cached(name);
        if cached {
            self.put(name, Place::Unknown);
        }
        cached
    }
}
