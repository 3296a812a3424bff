//! Doubly linked lists through the slab's entries, by position.
//!
//! Two orders run through every entry, by use and by expiry; `Through` says which one a list follows. Every operation
//! is O(1), and adding touches one neighbour, the youngest. A list's front is its oldest element.

use std::iter;
use std::marker::PhantomData;

use super::batch::Positions;
use super::slab::{Entry, Links, NIL, Slab};

/// Which pair of links a list runs through.
pub(super) trait Through {
    fn links<V>(entry: &Entry<V>) -> &Links;
    fn links_mut<V>(entry: &mut Entry<V>) -> &mut Links;
}

/// The order of the eviction queues.
pub(super) enum ByUse {}

/// The order of a slot of the expiry wheel.
pub(super) enum ByExpiry {}

impl Through for ByUse {
    fn links<V>(entry: &Entry<V>) -> &Links {
        &entry.in_queue
    }

    fn links_mut<V>(entry: &mut Entry<V>) -> &mut Links {
        &mut entry.in_queue
    }
}

impl Through for ByExpiry {
    fn links<V>(entry: &Entry<V>) -> &Links {
        &entry.in_wheel
    }

    fn links_mut<V>(entry: &mut Entry<V>) -> &mut Links {
        &mut entry.in_wheel
    }
}

/// A list of entries.
pub(super) struct List<T> {
    front: u32,
    back: u32,
    len: u32,
    through: PhantomData<T>,
}

impl<T: Through> List<T> {
    pub(super) const EMPTY: List<T> = List {
        front: NIL,
        back: NIL,
        len: 0,
        through: PhantomData,
    };

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn front(&self) -> Option<u32> {
        (self.front != NIL).then_some(self.front)
    }

    pub(super) fn back(&self) -> Option<u32> {
        (self.back != NIL).then_some(self.back)
    }

    pub(super) fn push_back<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        let links = self.make_way(slab, at);
        *T::links_mut(&mut slab[at]) = links;
    }

    /// Links the last entry to a new one at `at`, and returns the links for that.
    #[inline(always)]
    pub(super) fn make_way<V>(&mut self, slab: &mut Slab<V>, at: u32) -> Links {
        let before = std::mem::replace(&mut self.back, at);
        self.len += 1;
        if before == NIL {
            self.front = at;
        } else {
            T::links_mut(&mut slab[before]).after = at;
        }
        Links { before, after: NIL }
    }

    /// Takes out an entry, which must be in this list and have these links.
    #[inline(always)]
    pub(super) fn remove<V>(&mut self, slab: &mut Slab<V>, links: Links) {
        let Links { before, after } = links;
        self.len -= 1;
        if before == NIL {
            self.front = after;
        } else {
            T::links_mut(&mut slab[before]).after = after;
        }
        if after == NIL {
            self.back = before;
        } else {
            T::links_mut(&mut slab[after]).before = before;
        }
    }

    /// The oldest entries, so many at most.
    pub(super) fn first<V>(&self, slab: &Slab<V>, most: usize) -> Positions {
        let following = |&at: &u32| {
            let after = T::links(&slab[at]).after;
            (after != NIL).then_some(after)
        };
        iter::successors(self.front(), following)
            .take(most)
            .collect()
    }

    /// Makes the front the back.
    pub(super) fn turn<V>(&mut self, slab: &mut Slab<V>) {
        if let Some(at) = self.front() {
            let links = *T::links(&slab[at]);
            self.remove(slab, links);
            self.push_back(slab, at);
        }
    }

    /// Follows it, checks every link, and returns the positions it met.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate<V>(&self, slab: &Slab<V>) -> Vec<u32> {
        let mut met = Vec::new();
        let (mut before, mut at) = (NIL, self.front);
        while at != NIL {
            assert_eq!(T::links(&slab[at]).before, before, "a link back");
            met.push(at);
            assert!(met.len() <= self.len as usize, "a list ends");
            (before, at) = (at, T::links(&slab[at]).after);
        }
        assert_eq!(before, self.back, "a list ends with its back");
        assert_eq!(met.len(), self.len as usize, "a list counts its entries");
        met
    }
}
