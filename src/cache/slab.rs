//! The entries of a shard, by position.
//!
//! An entry keeps its position from the insert to the removal; index, queues and wheel refer to it by that position. A walk
//! over positions is a walk over the cache that survives every change between its steps. A vacated entry holds neither a
//! value nor any part of its key.
//!
//! In a large cache a call waits for memory more than it computes. So an entry is one cache line, and the links of the
//! index lie apart, eight to a line: a search that passes an entry does not touch it.

use std::hint;

use super::expiry::{Expiry, FAR, Packed};
#[cfg(any(test, fuzzing))]
use super::key::Parts;
use super::key::{FREE_BITS, Key};
use super::rank::{Moment, Rank};
use super::segments::{Element, Segments};
use crate::sys::prefetch::prefetch;

/// No position.
pub(super) const NIL: u32 = u32::MAX;

/// An entry's neighbours in one list.
#[derive(Clone, Copy)]
pub(super) struct Links {
    pub(super) before: u32,
    pub(super) after: u32,
}

impl Links {
    pub(super) const NONE: Links = Links {
        before: NIL,
        after: NIL,
    };
}

/// One cached session and its place in what orders the shard: 64 bytes with a value the size of a pointer.
#[repr(align(64))]
pub(super) struct Entry<V> {
    /// `None` if the entry is vacant.
    value: Option<V>,
    id: [u64; 4],
    pub(super) in_queue: Links,
    pub(super) in_wheel: Links,
    /// The lower part of [`Packed`].
    expiry_lower: u32,
    /// The rest of the key; in its free bits the rank, and in the lowest eight the upper part of [`Packed`].
    rest: u32,
}

/// The bits of `Entry::rest` that are the key's.
const OF_KEY: u32 = u32::MAX << FREE_BITS;
/// Where the rank is in `Entry::rest`.
const RANK_AT: u32 = FREE_BITS - Rank::BITS;
const _: () = assert!(RANK_AT >= i8::BITS);

impl<V> Element for Entry<V> {
    const BLANK: Self = Entry {
        value: None,
        id: [0; 4],
        in_queue: Links::NONE,
        in_wheel: Links::NONE,
        expiry_lower: Expiry::NEVER.packed().1,
        rest: Expiry::NEVER.packed().0 as u8 as u32,
    };
}

/// What ties an occupied entry to the others, read at once.
pub(super) struct Ties {
    pub(super) rank: Rank,
    pub(super) in_queue: Links,
    pub(super) in_wheel: Links,
    pub(super) expiry: Expiry,
}

/// An entry's place in the index, and when it was last used, which a look-up updates here without another cache line.
#[derive(Clone, Copy)]
pub(super) struct Hook {
    /// The lower `HASH_BITS` bits are the part of the key's hash that chooses the bucket. They are kept because splitting a
    /// bucket and unlinking a victim would otherwise hash again under the lock. The upper bits are the moment.
    hash_and_used: u32,
    /// The next entry of the same bucket; of a vacant entry, the next vacant one.
    pub(super) chain: u32,
}

/// Bits of a hash that a hook has room for beside a moment.
pub(super) const HASH_BITS: u32 = 24;

impl Element for Hook {
    const BLANK: Self = Hook {
        hash_and_used: 0,
        chain: NIL,
    };
}

impl Hook {
    pub(super) fn new(hash: u32, chain: u32, used: Moment) -> Self {
        Hook {
            hash_and_used: kept_of(hash) | u32::from(used.bits()) << HASH_BITS,
            chain,
        }
    }

    pub(super) fn hash(&self) -> u32 {
        kept_of(self.hash_and_used)
    }

    /// The last use, or the arrival.
    pub(super) fn used(&self) -> Moment {
        Moment::from_bits((self.hash_and_used >> HASH_BITS) as u8)
    }

    pub(super) fn set_used(&mut self, used: Moment) {
        *self = Hook::new(self.hash(), self.chain, used);
    }
}

/// The part of a hash that a hook keeps.
pub(super) fn kept_of(hash: u32) -> u32 {
    hash & ((1 << HASH_BITS) - 1)
}

impl<V> Entry<V> {
    /// An entry that expires as `packed` and `ties` say.
    #[inline(always)]
    pub(super) fn new(key: &Key, value: V, ties: &Ties, packed: Packed) -> Self {
        let (id, rest) = key.parts();
        let (expiry_upper, expiry_lower) = packed;
        Entry {
            value: Some(value),
            id,
            in_queue: ties.in_queue,
            in_wheel: ties.in_wheel,
            expiry_lower,
            rest: rest | u32::from(ties.rank.bits()) << RANK_AT | u32::from(expiry_upper as u8),
        }
    }

    /// Its value, if it is occupied.
    pub(super) fn value(&self) -> Option<&V> {
        self.value.as_ref()
    }

    #[inline(always)]
    pub(super) fn is_of(&self, key: &Key) -> bool {
        let (id, rest) = key.parts();
        self.id == id && self.rest & OF_KEY == rest
    }

    #[cfg(any(test, fuzzing))]
    fn key_parts(&self) -> Parts {
        (self.id, self.rest & OF_KEY)
    }

    /// The key of an occupied entry.
    #[cfg(any(test, fuzzing))]
    pub(super) fn key(&self) -> Key {
        Key::of_parts(self.key_parts())
    }

    fn packed(&self) -> Packed {
        (self.rest as i8, self.expiry_lower)
    }

    fn set_packed(&mut self, (upper, lower): Packed) {
        self.rest = self.rest & !u32::from(u8::MAX) | u32::from(upper as u8);
        self.expiry_lower = lower;
    }

    pub(super) fn rank(&self) -> Rank {
        Rank::from_bits((self.rest >> RANK_AT) as u8)
    }

    pub(super) fn set_rank(&mut self, rank: Rank) {
        const OF_RANK: u32 = ((1 << Rank::BITS) - 1) << RANK_AT;
        self.rest = self.rest & !OF_RANK | u32::from(rank.bits()) << RANK_AT;
    }

    fn forget_key(&mut self) {
        self.id = [0; 4];
        self.rest &= !OF_KEY;
    }
}

pub(super) struct Slab<V> {
    entries: Segments<Entry<V>>,
    /// One for each entry.
    hooks: Segments<Hook>,
    vacant: u32,
    len: u32,
    /// `None` until an expiry is far.
    far: Option<Box<Far>>,
}

/// The expiries for which an entry has no room; hardly any program has one.
struct Far {
    /// Of a vacant place, the next vacant one.
    seconds: Segments<i64>,
    vacant: u32,
}

impl Far {
    #[cold]
    fn new() -> Box<Far> {
        Box::new(Far {
            seconds: Segments::new(),
            vacant: NIL,
        })
    }

    /// Keeps an expiry and returns its place; `None` if there is no memory for it.
    #[cold]
    fn keep(&mut self, seconds: i64) -> Option<u32> {
        let place = self.vacant;
        if place != NIL {
            self.vacant = std::mem::replace(&mut self.seconds[place], seconds) as u32;
            return Some(place);
        }
        let place = self.seconds.len();
        let has_room = self.seconds.make_ready();
        has_room.then(|| {
            self.seconds.push(seconds);
            place
        })
    }

    #[cold]
    fn vacate(&mut self, place: u32) {
        self.seconds[place] = i64::from(self.vacant);
        self.vacant = place;
    }
}

impl<V> Slab<V> {
    pub(super) const fn new() -> Self {
        Slab {
            entries: Segments::new(),
            hooks: Segments::new(),
            vacant: NIL,
            len: 0,
            far: None,
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

    /// True if the slab is so large that its memory is worth freeing.
    pub(super) fn has_grown(&self) -> bool {
        self.entries.has_grown()
    }

    pub(super) fn memory(&self) -> usize {
        let far = self.far.as_ref().map_or(0, |far| far.seconds.memory());
        self.entries.memory() + self.hooks.memory() + far
    }

    /// Makes a position for one more entry; false if there is no memory for it.
    pub(super) fn make_ready(&mut self) -> bool {
        self.vacant != NIL || (self.entries.make_ready() && self.hooks.make_ready())
    }

    /// The position that the next entry will have.
    pub(super) fn next_position(&self) -> u32 {
        if self.vacant == NIL {
            self.entries.len()
        } else {
            self.vacant
        }
    }

    /// Puts the entry into the next position. `make_ready` must have returned true, or a position have been vacated, just
    /// before.
    #[inline(always)]
    pub(super) fn occupy(&mut self, entry: Entry<V>, hook: Hook) {
        let at = self.vacant;
        if at == NIL {
            self.entries.push(entry);
            self.hooks.push(hook);
        } else {
            self.vacant = std::mem::replace(&mut self.hooks[at], hook).chain;
            // The old entry is vacant and has nothing to drop; to check that would be to wait for its cache line.
            std::mem::forget(std::mem::replace(&mut self.entries[at], entry));
        }
        self.len += 1;
    }

    /// The expiry of an occupied entry.
    pub(super) fn expiry(&self, at: u32) -> Expiry {
        self.expiry_of(&self.entries[at])
    }

    /// The expiry of an entry at hand.
    #[inline(always)]
    pub(super) fn expiry_of(&self, entry: &Entry<V>) -> Expiry {
        self.unpacked(entry.packed())
    }

    /// Gives an occupied entry another expiry.
    pub(super) fn set_expiry(&mut self, at: u32, expiry: Expiry) {
        self.forget_expiry(at);
        let (packed, _) = self.pack(expiry);
        self.entries[at].set_packed(packed);
    }

    /// An expiry as an entry keeps it, and what that says. Without memory for a far one it is the nearest for which an entry
    /// has room.
    #[inline(always)]
    pub(super) fn pack(&mut self, expiry: Expiry) -> (Packed, Expiry) {
        if let Some(packed) = expiry.try_packed() {
            return (packed, expiry);
        }
        let packed = self.pack_far(expiry);
        (packed, self.unpacked(packed))
    }

    #[cold]
    fn pack_far(&mut self, expiry: Expiry) -> Packed {
        let far = self.far.get_or_insert_with(Far::new);
        let place = far.keep(expiry.secs());
        place.map_or(expiry.packed(), |place| (FAR, place))
    }

    #[inline]
    fn unpacked(&self, packed: Packed) -> Expiry {
        match packed {
            (FAR, place) => self.far_expiry(place),
            near => Expiry::unpacked(near),
        }
    }

    #[cold]
    fn far_expiry(&self, place: u32) -> Expiry {
        match &self.far {
            Some(far) => Expiry::at(far.seconds[place]),
            None => Expiry::NEVER, // not reached: a far place exists only in a `Far`
        }
    }

    /// Before another expiry takes the place of the entry's.
    #[inline]
    fn forget_expiry(&mut self, at: u32) {
        let (upper, place) = self.entries[at].packed();
        if upper == FAR {
            self.vacate_far(place);
        }
    }

    #[cold]
    fn vacate_far(&mut self, place: u32) {
        if let Some(far) = &mut self.far {
            far.vacate(place);
        }
    }

    /// What ties the entry at `at` to others.
    #[inline]
    pub(super) fn ties(&self, at: u32) -> Ties {
        self.ties_of(&self.entries[at])
    }

    /// What ties an entry at hand to others.
    #[inline(always)]
    pub(super) fn ties_of(&self, entry: &Entry<V>) -> Ties {
        Ties {
            rank: entry.rank(),
            in_queue: entry.in_queue,
            in_wheel: entry.in_wheel,
            expiry: self.unpacked(entry.packed()),
        }
    }

    /// Frees a position, and returns its value and what has tied it to others: these links are still there.
    #[inline(always)]
    pub(super) fn vacate(&mut self, at: u32) -> (V, Ties) {
        let ties = self.ties(at);
        let entry = &mut self.entries[at];
        let value = entry.value.take().expect("a linked position is occupied");
        // A session id can be all that is needed to resume. black_box keeps the stores, which nothing reads.
        entry.forget_key();
        hint::black_box(&entry.id);
        let (upper, place) = entry.packed();
        if upper == FAR {
            entry.set_packed(Expiry::NEVER.packed());
            self.vacate_far(place);
        }
        self.hooks[at].chain = self.vacant;
        self.vacant = at;
        self.len -= 1;
        (value, ties)
    }

    /// The value at a position, if it is occupied.
    pub(super) fn value(&self, at: u32) -> Option<&V> {
        self.entries[at].value.as_ref()
    }

    /// Replaces the value of an occupied position and returns the old one.
    pub(super) fn exchange(&mut self, at: u32, value: V) -> V {
        self.entries[at]
            .value
            .replace(value)
            .expect("a linked position is occupied")
    }

    pub(super) fn hook(&self, at: u32) -> &Hook {
        &self.hooks[at]
    }

    /// Begins to load a hook that will be needed.
    pub(super) fn prefetch_hook(&self, at: u32) {
        prefetch(&self.hooks[at]);
    }

    pub(super) fn hook_mut(&mut self, at: u32) -> &mut Hook {
        &mut self.hooks[at]
    }

    /// Checks every position, and follows the list of vacant ones.
    #[cfg(any(test, fuzzing))]
    pub(super) fn validate(&self) {
        assert_eq!(self.entries.len(), self.hooks.len());
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
                self.value(at).is_none() && self[at].key_parts() == ([0; 4], 0),
                "a vacant entry keeps nothing"
            );
            at = self.hooks[at].chain;
        }
        assert_eq!(
            vacant + self.len,
            self.positions(),
            "a position is occupied or vacant"
        );
        let far = (0..self.positions()).filter(|&at| self[at].packed().0 == FAR);
        let (mut place, mut unused) = (NIL, 0);
        let mut places = 0;
        if let Some(far) = &self.far {
            (place, places) = (far.vacant, far.seconds.len() as usize);
        }
        while place != NIL
            && let Some(far) = &self.far
        {
            unused += 1;
            place = far.seconds[place] as u32;
        }
        assert_eq!(
            far.count() + unused,
            places,
            "a far expiry is an entry's or vacant"
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
