//! W-TinyLFU as published (Einziger, Friedman and Manes, ACM TOS 2017): a window of a hundredth, and a segmented main
//! part. Of the one that leaves the window and the one that would leave the main part, the one stays that a sketch has counted more
//! often. The sketch counts to 15, and is halved after ten times as many uses as the cache has places.

use super::lists::Queues;
use super::names::Names;
use super::{Arrival, Policy};
use crate::random::scramble;

const ROWS: usize = 4;
const COUNT_MOST: u8 = 15;
/// Uses after which the sketch is halved, for each place of the cache.
const SAMPLE: usize = 10;

struct Sketch {
    rows: [Vec<u8>; ROWS],
    uses: usize,
    sample: usize,
}

impl Sketch {
    fn new(capacity: usize) -> Sketch {
        let width = (capacity.max(16) * 8).next_power_of_two();
        Sketch {
            rows: std::array::from_fn(|_| vec![0; width]),
            uses: 0,
            sample: capacity * SAMPLE,
        }
    }

    fn places(&self, name: u32) -> [usize; ROWS] {
        let mask = self.rows[0].len() - 1;
        std::array::from_fn(|row| scramble(u64::from(name) << 2 | row as u64) as usize & mask)
    }

    fn count(&mut self, name: u32) {
        let places = self.places(name);
        for (row, place) in self.rows.iter_mut().zip(places) {
            row[place] = (row[place] + 1).min(COUNT_MOST);
        }
        self.uses += 1;
        if self.uses >= self.sample {
            self.uses /= 2;
            let counters = self.rows.iter_mut().flatten();
            counters.for_each(|counter| *counter /= 2);
        }
    }

    fn uses_of(&self, name: u32) -> u8 {
        let places = self.places(name).into_iter();
        let counters = self.rows.iter().zip(places).map(|(row, place)| row[place]);
        counters.min().unwrap_or(0)
    }
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Place {
    #[default]
    Unknown,
    Window,
    Probation,
    Protected,
}

impl From<Place> for usize {
    fn from(place: Place) -> usize {
        place as usize
    }
}

/// Everything is by the names of sessions.
pub struct WTinyLfu {
    window_most: usize,
    main_most: usize,
    sketch: Sketch,
    queues: Queues<Place, 3>,
    names: Names,
}

impl WTinyLfu {
    pub fn new(capacity: usize) -> WTinyLfu {
        let window_most = (capacity / 100).max(1);
        WTinyLfu {
            window_most,
            main_most: capacity - window_most,
            sketch: Sketch::new(capacity),
            queues: Queues::new(),
            names: Names::default(),
        }
    }

    /// What leaves the window moves on, or leaves the cache in favour of the one that would.
    fn settle(&mut self) {
        while self.queues.len(Place::Window) > self.window_most
            && let Some(comes) = self.queues.front(Place::Window)
        {
            let main = self.queues.len(Place::Probation) + self.queues.len(Place::Protected);
            if main < self.main_most {
                self.queues.put(comes, Place::Probation);
                continue;
            }
            let probation = self.queues.front(Place::Probation);
            let goes = probation.or(self.queues.front(Place::Protected));
            match goes {
                Some(goes) if self.sketch.uses_of(comes) > self.sketch.uses_of(goes) => {
                    self.queues.put(goes, Place::Unknown);
                    self.queues.put(comes, Place::Probation);
                }
                _ => self.queues.put(comes, Place::Unknown),
            }
        }
    }
}

impl Policy for WTinyLfu {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        let name = self.names.of(session);
        let place = self.queues.place(name);
        if !self.names.holds(session) || place == Place::Unknown {
            return false;
        }
        self.sketch.count(name);
        match place {
            Place::Window => self.queues.put(name, Place::Window),
            _ => {
                self.queues.put(name, Place::Protected);
                if self.queues.len(Place::Protected) > self.main_most * 4 / 5
                    && let Some(oldest) = self.queues.front(Place::Protected)
                {
                    self.queues.put(oldest, Place::Probation);
                }
            }
        }
        true
    }

    fn insert(&mut self, arrival: Arrival) {
        let queues = &self.queues;
        let cached = |name| queues.place(name) != Place::Unknown;
        let name = self.names.arrive(&arrival, cached);
        self.sketch.count(name);
        self.queues.put(name, Place::Window);
        self.settle();
    }

    fn remove(&mut self, session: u32) -> bool {
        let name = self.names.of(session);
        let cached = self.names.holds(session) && self.queues.place(name) != Place::Unknown;
        if cached {
            self.queues.put(name, Place::Unknown);
        }
        cached
    }
}
