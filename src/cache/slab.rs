//! The entries of a shard, by position.
//!
//! An entry keeps its position from the insert to the removal; index, queues and wheel refer to it by that position,
//! and a walk over positions is a walk over the cache that survives whatever happens between its steps. A vacated entry
//! holds neither a value nor anything of its key.

use std::hint;

use super::expiry::Expiry;
use super::key::Key;
use super::queues::Rank;
use super::ring::Links;
use super::segments::Segments;

/// No position.
pub(super) const NIL: u32 = u32::MAX;

/// One cached session and its place in everything that orders the shard: 88 bytes with a value the size of a pointer.
pub(super) struct Entry<V> {
    /// None: the entry is vacant.
    value: Option<V>,
    pub(super) expiry: Expiry,
    /// The part of the key's hash that chooses the bucket: kept, because splitting a bucket and unlinking a victim
    /// would otherwise hash again under the lock. It fills what would be padding.
    pub(super) hash: u32,
    /// The next entry of the same bucket; of a vacant entry, the next vacant one.
    pub(super) chain: u32,
    pub(super) in_queue: Links,
    pub(super) in_wheel: Links,
    pub(super) key: Key,
    pub(super) rank: Rank,
}

impl<V> Entry<V> {
    pub(super) fn new(key: Key, hash: u32, value: V, expiry: Expiry) -> Self {
        Entry {
            value: Some(value),
            expiry,
            hash,
            chain: NIL,
            in_queue: Links::NONE,
            in_wheel: Links::NONE,
            key,
            rank: Rank::default(),
        }
    }
}

pub(super) struct Slab<V> {
    entries: Segments<Entry<V>>,
    vacant: u32,
    len: u32,
}

impl<V> Slab<V> {
    pub(super) const fn new() -> Self {
        Slab {
            entries: Segments::new(),
            vacant: NIL,
            len: 0,
        }
    }

    /// Occupied entries.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Positions in use or vacant: every occupied one is below.
    pub(super) fn positions(&self) -> u32 {
        self.entries.len()
    }

    /// Whether giving the slab's memory back would be worth while.
    pub(super) fn has_grown(&self) -> bool {
        self.entries.has_grown()
    }

    /// Whether there is a position for one more; false if memory for it could not be had.
    pub(super) fn make_ready(&mut self) -> bool {
        self.vacant != NIL || self.entries.make_ready()
    }

    /// Puts the entry somewhere. `make_ready` has said yes, or a position was vacated just now.
    pub(super) fn occupy(&mut self, entry: Entry<V>) -> u32 {
        let mut at = self.vacant;
        if at == NIL {
            at = self.entries.len();
            self.entries.push(entry);
        } else {
            self.vacant = self.entries[at].chain;
            self.entries[at] = entry;
        }
        self.len += 1;
        at
    }

    /// Frees a position. The caller has taken it out of index, queues and wheel.
    pub(super) fn vacate(&mut self, at: u32) -> V {
        let entry = &mut self.entries[at];
        let value = entry.value.take().expect("a linked position is occupied");
        // A session id can be all that it takes to resume. black_box keeps the store, which nothing reads.
        entry.key = Key::BLANK;
        hint::black_box(&entry.key);
        entry.chain = self.vacant;
        self.vacant = at;
        self.len -= 1;
        value
    }

    /// The value at a position, if it is occupied.
    pub(super) fn value(&self, at: u32) -> Option<&V> {
        self.entries[at].value.as_ref()
    }

    /// Puts another value into an occupied position and hands out the one that was there.
    pub(super) fn exchange(&mut self, at: u32, value: V) -> V {
        self.entries[at]
            .value
            .replace(value)
            .expect("a linked position is occupied")
    }

    /// Looks at every position, and follows the list of vacant ones.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate(&self) {
        let occupied = (0..self.positions()).filter(|&at| self.value(at).is_some());
        assert_eq!(occupied.count(), self.len as usize);
        let (mut at, mut vacant) = (self.vacant, 0);
        while at != NIL {
            vacant += 1;
            assert!(
                vacant <= self.positions(),
                "the list of vacant positions ends"
            );
            assert!(
                self.value(at).is_none() && self[at].key == Key::BLANK,
                "a vacant entry keeps nothing"
            );
            at = self[at].chain;
        }
        assert_eq!(
            vacant + self.len,
            self.positions(),
            "a position is occupied or vacant"
        );
    }
}

impl<V> std::ops::Index<u32> for Slab<V> {
    type Output = Entry<V>;

    fn index(&self, at: u32) -> &Entry<V> {
        &self.entries[at]
    }
}

impl<V> std::ops::IndexMut<u32> for Slab<V> {
    fn index_mut(&mut self, at: u32) -> &mut Entry<V> {
        &mut self.entries[at]
    }
}
