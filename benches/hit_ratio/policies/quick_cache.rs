//! The crate quick_cache: an enhanced CLOCK with a memory of what left.

use quick_cache::unsync::Cache;

use super::names::Names;
use super::{Arrival, Policy};

pub struct QuickCache {
    cache: Cache<u32, ()>,
    names: Names,
}

impl QuickCache {
    pub fn new(capacity: usize) -> QuickCache {
        QuickCache {
            cache: Cache::new(capacity),
            names: Names::default(),
        }
    }
}

impl Policy for QuickCache {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        self.names.holds(session) && self.cache.get(&self.names.of(session)).is_some()
    }

    fn insert(&mut self, arrival: Arrival) {
        let cached = |name| self.cache.peek(&name).is_some();
        let name = self.names.arrive(&arrival, cached);
        self.cache.insert(name, ());
    }

    fn remove(&mut self, session: u32) -> bool {
        self.names.holds(session) && self.cache.remove(&self.names.of(session)).is_some()
    }
}
