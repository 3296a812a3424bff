//! ARC as published (Megiddo and Modha, FAST 2003, figure 4): sessions that came once and sessions that came again, a memory
//! of what left either, and a share between the two that follows which memory is asked.

use super::lists::Queues;
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

impl From<Place> for usize {
    fn from(place: Place) -> usize {
        place as usize
    }
}

/// Everything is by the names of sessions.
pub struct Arc {
    capacity: usize,
    /// How many of the places are for those that came once.
    once_wanted: usize,
    queues: Queues<Place, 4>,
    names: Names,
}

impl Arc {
    pub fn new(capacity: usize) -> Arc {
        Arc {
            capacity,
            once_wanted: 0,
            queues: Queues::new(),
            names: Names::default(),
        }
    }

    fn move_oldest(&mut self, from: Place, to: Place) {
        if let Some(oldest) = self.queues.front(from) {
            self.queues.put(oldest, to);
        }
    }

    /// REPLACE of the paper.
    fn evict(&mut self, comes_back_to_again: bool) {
        let once = self.queues.len(Place::Once);
        let over = once > self.once_wanted || comes_back_to_again && once == self.once_wanted;
        if once > 0 && (over || self.queues.len(Place::Again) == 0) {
            self.move_oldest(Place::Once, Place::OnceLeft);
        } else {
            self.move_oldest(Place::Again, Place::AgainLeft);
        }
    }

    fn is_full(&self) -> bool {
        self.queues.len(Place::Once) + self.queues.len(Place::Again) >= self.capacity
    }

    fn is_cached(&self, name: u32) -> bool {
        matches!(self.queues.place(name), Place::Once | Place::Again)
    }

    fn admit_new(&mut self, name: u32) {
        let (once, once_left) = (
            self.queues.len(Place::Once),
            self.queues.len(Place::OnceLeft),
        );
        if once + once_left >= self.capacity {
            if once < self.capacity {
                self.move_oldest(Place::OnceLeft, Place::Unknown);
            } else {
                self.move_oldest(Place::Once, Place::Unknown);
            }
        } else if once
            + once_left
            + self.queues.len(Place::Again)
            + self.queues.len(Place::AgainLeft)
            >= 2 * self.capacity
        {
            self.move_oldest(Place::AgainLeft, Place::Unknown);
        }
        if self.is_full() {
            self.evict(false);
        }
        self.queues.put(name, Place::Once);
    }
}

impl Policy for Arc {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        let name = self.names.of(session);
        let cached = self.names.holds(session) && self.is_cached(name);
        if cached {
            self.queues.put(name, Place::Again);
        }
        cached
    }

    fn insert(&mut self, arrival: Arrival) {
        let queues = &self.queues;
        let cached = |name| matches!(queues.place(name), Place::Once | Place::Again);
        let name = self.names.arrive(&arrival, cached);
        let (once_left, again_left) = (
            self.queues.len(Place::OnceLeft),
            self.queues.len(Place::AgainLeft),
        );
        match self.queues.place(name) {
            Place::OnceLeft => {
                let step = (again_left / once_left).max(1);
                self.once_wanted = (self.once_wanted + step).min(self.capacity);
                if self.is_full() {
                    self.evict(false);
                }
                self.queues.put(name, Place::Again);
            }
            Place::AgainLeft => {
                let step = (once_left / again_left).max(1);
                self.once_wanted = self.once_wanted.saturating_sub(step);
                if self.is_full() {
                    self.evict(true);
                }
                self.queues.put(name, Place::Again);
            }
            _ => self.admit_new(name),
        }
    }

    fn remove(&mut self, session: u32) -> bool {
        let name = self.names.of(session);
        let cached = self.names.holds(session) && self.is_cached(name);
        if cached {
            self.queues.put(name, Place::Unknown);
        }
        cached
    }
}
