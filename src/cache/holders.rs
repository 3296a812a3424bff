//! Which of many caches hold an object, so that a change to an object need not search each cache.
//!
//! Caches are numbers here and objects are addresses, of which only a hash is kept: an answer may name a cache that holds
//! another object, and the search there is in vain. Each object in each cache takes 16 bytes. Adding, removing and asking
//! are O(1): the tables grow by one bucket at a time.

use smallvec::SmallVec;

use super::segments::{Element, Segments};
use super::slab::NIL;
use crate::sys::lock::Lock;

const PARTS_LOG2: u32 = 5;

/// The holders of objects.
pub struct Holders {
    parts: [Lock<Part>; 1 << PARTS_LOG2],
}

struct Part {
    /// The first item of each bucket.
    heads: Segments<u32>,
    items: Segments<Item>,
    vacant: u32,
    len: u32,
}

#[derive(Clone, Copy)]
struct Item {
    hash: u32,
    holder: u32,
    /// The next item of the bucket; for a vacant item, the next vacant one.
    next: u32,
}

impl Element for Item {
    const BLANK: Self = Item {
        hash: 0,
        holder: 0,
        next: NIL,
    };
}

/// The part, and the hash within it. An unkeyed hash suffices, as no attacker chooses addresses.
fn home(address: usize) -> (usize, u32) {
    let spread = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let part = spread >> (u64::BITS - PARTS_LOG2);
    (part as usize, (spread >> 24) as u32)
}

impl Default for Holders {
    fn default() -> Self {
        Self::new()
    }
}

impl Holders {
    /// No cache holds an object.
    pub const fn new() -> Holders {
        Holders {
            parts: [const { Lock::new(Part::new()) }; 1 << PARTS_LOG2],
        }
    }

    /// Notes that a cache holds an object, once more if it does already; false if there is no memory to note it.
    #[must_use]
    pub fn note(&self, address: usize, holder: u32) -> bool {
        let (part, hash) = home(address);
        self.parts[part]
            .lock()
            .is_some_and(|mut part| part.add(hash, holder))
    }

    /// Removes one note that a cache holds an object.
    pub fn strike_out(&self, address: usize, holder: u32) {
        let (part, hash) = home(address);
        let spent = self.parts[part].lock().and_then(|mut part| {
            part.remove(hash, holder);
            let is_spent = part.len == 0 && part.items.has_grown();
            is_spent.then(|| std::mem::replace(&mut *part, Part::new()))
        });
        drop(spent); // outside the lock
    }

    /// The caches that may hold an object, including every cache that does; `None` if that cannot be told.
    pub fn of(&self, address: usize) -> Option<SmallVec<[u32; 4]>> {
        let (part, hash) = home(address);
        Some(self.parts[part].lock()?.holders(hash))
    }
}

impl Part {
    const fn new() -> Part {
        Part {
            heads: Segments::new(),
            items: Segments::new(),
            vacant: NIL,
            len: 0,
        }
    }

    fn bucket(&self, hash: u32) -> u32 {
        let last = self.heads.len() - 1;
        let mask = last.checked_ilog2().map_or(0, |top| u32::MAX >> (31 - top));
        let bucket = hash & mask;
        if bucket <= last {
            bucket
        } else {
            bucket & (mask >> 1)
        }
    }

    fn add(&mut self, hash: u32, holder: u32) -> bool {
        if self.len >= self.heads.len() {
            self.split_one();
        }
        if self.heads.len() == 0 || self.vacant == NIL && !self.items.make_ready() {
            return false;
        }
        let bucket = self.bucket(hash);
        let item = Item {
            hash,
            holder,
            next: self.heads[bucket],
        };
        if self.vacant == NIL {
            self.heads[bucket] = self.items.len();
            self.items.push(item);
        } else {
            let at = self.vacant;
            self.vacant = self.items[at].next;
            self.items[at] = item;
            self.heads[bucket] = at;
        }
        self.len += 1;
        true
    }

    /// Without memory for another bucket the chains get longer.
    fn split_one(&mut self) {
        if !self.heads.make_ready() {
            return;
        }
        let last = self.heads.len();
        self.heads.push(NIL);
        let Some(top) = last.checked_ilog2() else {
            return;
        };
        let sibling = last ^ (1 << top);
        let mut at = std::mem::replace(&mut self.heads[sibling], NIL);
        while at != NIL {
            let Item { hash, next, .. } = self.items[at];
            let bucket = self.bucket(hash);
            self.items[at].next = std::mem::replace(&mut self.heads[bucket], at);
            at = next;
        }
    }

    fn remove(&mut self, hash: u32, holder: u32) {
        if self.len == 0 {
            return;
        }
        let bucket = self.bucket(hash);
        let (mut before, mut at) = (NIL, self.heads[bucket]);
        while at != NIL {
            let item = self.items[at];
            if item.hash == hash && item.holder == holder {
                if before == NIL {
                    self.heads[bucket] = item.next;
                } else {
                    self.items[before].next = item.next;
                }
                self.items[at].next = self.vacant;
                self.vacant = at;
                self.len -= 1;
                return;
            }
            (before, at) = (at, item.next);
        }
    }

    fn holders(&self, hash: u32) -> SmallVec<[u32; 4]> {
        let mut found = SmallVec::new();
        if self.len == 0 {
            return found;
        }
        let mut at = self.heads[self.bucket(hash)];
        while at != NIL {
            let item = self.items[at];
            if item.hash == hash && !found.contains(&item.holder) {
                found.push(item.holder);
            }
            at = item.next;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Addresses as an allocator returns them.
    fn address(number: usize) -> usize {
        0x7f12_0000_0000 + number * 704
    }

    #[test]
    fn each_object_is_found_with_all_who_hold_it_and_few_others() {
        let holders = Holders::new();
        let mut strangers = 0;
        for number in 0..20_000 {
            assert!(holders.note(address(number), number as u32 % 5_000));
            if number % 3 == 0 {
                assert!(holders.note(address(number), 7_000));
            }
        }
        for number in 0..20_000 {
            let found = holders.of(address(number)).unwrap();
            assert!(found.contains(&(number as u32 % 5_000)));
            assert!(number % 3 != 0 || found.contains(&7_000));
            strangers += holders.of(address(number) + 16).unwrap().len();
        }
        assert!(strangers < 100, "{strangers}");
    }

    #[test]
    fn what_is_struck_out_as_often_as_it_was_noted_is_gone_and_its_memory_too() {
        let holders = Holders::new();
        let mut noted = HashMap::new();
        for round in 0..60_000_usize {
            let at = round * 31 % 977;
            let times: &mut u32 = noted.entry(at).or_default();
            if round % 3 < 2 {
                assert!(holders.note(address(at), 3));
                *times += 1;
            } else if *times > 0 {
                holders.strike_out(address(at), 3);
                *times -= 1;
            }
            assert_eq!(*times > 0, holders.of(address(at)).unwrap().contains(&3));
        }
        for (at, times) in noted {
            for _ in 0..times {
                assert!(holders.of(address(at)).unwrap().contains(&3));
                holders.strike_out(address(at), 3);
            }
            assert!(holders.of(address(at)).unwrap().is_empty());
        }
        let empty = |part: &Lock<Part>| part.lock().unwrap().items.len() < 64;
        assert!(holders.parts.iter().all(empty));
        holders.strike_out(address(1), 3);
    }
}
