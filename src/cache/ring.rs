//! Circular, doubly linked lists through the slab's entries, by position.
//!
//! Two orders run through every entry, by use and by expiry; `Through` says which one a ring follows. Every operation
//! is O(1). A ring's front is its oldest element; turning the ring makes the front the back without touching an entry.

use std::marker::PhantomData;

use super::slab::{Entry, NIL, Slab};

/// An entry's neighbours in one ring.
#[derive(Clone, Copy)]
pub(super) struct Links {
    before: u32,
    after: u32,
}

impl Links {
    pub(super) const NONE: Links = Links {
        before: NIL,
        after: NIL,
    };
}

/// Which pair of links a ring runs through.
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

pub(super) struct Ring<T> {
    front: u32,
    len: u32,
    through: PhantomData<T>,
}

impl<T: Through> Ring<T> {
    pub(super) const EMPTY: Ring<T> = Ring {
        front: NIL,
        len: 0,
        through: PhantomData,
    };

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn front(&self) -> Option<u32> {
        (self.len > 0).then_some(self.front)
    }

    pub(super) fn back<V>(&self, slab: &Slab<V>) -> Option<u32> {
        self.front().map(|front| T::links(&slab[front]).before)
    }

    pub(super) fn push_back<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        let links = self.make_way(slab, at);
        *T::links_mut(&mut slab[at]) = links;
    }

    /// Makes the others close round `at` as their back; the caller gives the entry there these links.
    pub(super) fn make_way<V>(&mut self, slab: &mut Slab<V>, at: u32) -> Links {
        self.len += 1;
        if self.len == 1 {
            self.front = at;
            return Links {
                before: at,
                after: at,
            };
        }
        let after = self.front;
        let before = std::mem::replace(&mut T::links_mut(&mut slab[after]).before, at);
        T::links_mut(&mut slab[before]).after = at;
        Links { before, after }
    }

    /// Takes out an entry which the caller knows to be in this ring.
    pub(super) fn remove<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        let Links { before, after } = *T::links(&slab[at]);
        T::links_mut(&mut slab[before]).after = after;
        T::links_mut(&mut slab[after]).before = before;
        *T::links_mut(&mut slab[at]) = Links::NONE;
        self.len -= 1;
        if self.len == 0 {
            self.front = NIL;
        } else if self.front == at {
            self.front = after;
        }
    }

    /// Makes the front the back.
    pub(super) fn turn<V>(&mut self, slab: &Slab<V>) {
        if let Some(front) = self.front() {
            self.front = T::links(&slab[front]).after;
        }
    }

    /// Goes round once, checks every link, and returns the positions it met.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate<V>(&self, slab: &Slab<V>) -> Vec<u32> {
        let mut met = Vec::new();
        let mut at = self.front;
        for _ in 0..self.len {
            met.push(at);
            let after = T::links(&slab[at]).after;
            assert_eq!(T::links(&slab[after]).before, at, "a link back");
            at = after;
        }
        assert_eq!(
            at, self.front,
            "a ring closes after as many steps as it has entries"
        );
        met
    }
}
