//! Circular, doubly linked lists through the slab's entries, by position.
//!
//! Two orders run through every entry, by use and by expiry; `Through` says which one a ring follows. Every operation
//! is O(1), and adding touches one neighbour, the youngest. A ring's front is its oldest element.

use std::marker::PhantomData;

use super::slab::{Entry, Links, NIL, Slab};

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

/// A ring of entries. The link from the front to the back is neither followed nor kept up to date: an insert has the cache
/// line of the back at hand, while the front's may be far away.
pub(super) struct Ring<T> {
    back: u32,
    len: u32,
    through: PhantomData<T>,
}

impl<T: Through> Ring<T> {
    pub(super) const EMPTY: Ring<T> = Ring {
        back: NIL,
        len: 0,
        through: PhantomData,
    };

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn front<V>(&self, slab: &Slab<V>) -> Option<u32> {
        self.back().map(|back| T::links(&slab[back]).after)
    }

    pub(super) fn back(&self) -> Option<u32> {
        (self.len > 0).then_some(self.back)
    }

    pub(super) fn push_back<V>(&mut self, slab: &mut Slab<V>, at: u32) {
        let links = self.make_way(slab, at);
        *T::links_mut(&mut slab[at]) = links;
    }

    /// Links the neighbours to a new back at `at`, and returns the links for the entry there.
    #[inline(always)]
    pub(super) fn make_way<V>(&mut self, slab: &mut Slab<V>, at: u32) -> Links {
        let before = std::mem::replace(&mut self.back, at);
        self.len += 1;
        if self.len == 1 {
            return Links {
                before: NIL,
                after: at,
            };
        }
        let after = std::mem::replace(&mut T::links_mut(&mut slab[before]).after, at);
        Links { before, after }
    }

    /// Takes out an entry, which must be in this ring and have these links.
    pub(super) fn remove<V>(&mut self, slab: &mut Slab<V>, at: u32, links: Links) {
        let Links { before, after } = links;
        self.len -= 1;
        if self.len == 0 {
            self.back = NIL;
            return;
        }
        let is_front = before == NIL;
        let before = if is_front { self.back } else { before };
        T::links_mut(&mut slab[before]).after = after;
        if at == self.back {
            self.back = before;
        } else {
            T::links_mut(&mut slab[after]).before = if is_front { NIL } else { before };
        }
    }

    /// Makes the front the back.
    pub(super) fn turn<V>(&mut self, slab: &mut Slab<V>) {
        if self.len < 2 {
            return;
        }
        let back = self.back;
        let front = T::links(&slab[back]).after;
        let links = T::links_mut(&mut slab[front]);
        links.before = back;
        let after = links.after;
        T::links_mut(&mut slab[after]).before = NIL;
        self.back = front;
    }

    /// Goes round once, checks every link, and returns the positions it met.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate<V>(&self, slab: &Slab<V>) -> Vec<u32> {
        let mut met = Vec::new();
        let mut before = NIL;
        for _ in 0..self.len {
            let at = match before {
                NIL => T::links(&slab[self.back]).after,
                before => T::links(&slab[before]).after,
            };
            assert_eq!(T::links(&slab[at]).before, before, "a link back");
            met.push(at);
            before = at;
        }
        assert_eq!(
            before, self.back,
            "a ring closes after as many steps as it has entries"
        );
        met
    }
}
