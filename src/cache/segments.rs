//! A vector that grows without moving its elements.
//!
//! It grows by a segment, which takes one allocation and no copy, whatever the length: a `Vec` would copy everything while
//! the shard's lock is held. All segments have one length, so that an element is found by a shift, a mask and one comparison. Only
//! the first few elements are in a `Vec`, because many contexts cache a session or two. They move, once in a doubling, and leave
//! blanks behind, as freed memory must not keep a session id. A lack of memory is reported and does not abort. Segments are kept
//! when elements are taken off, because freeing pages is work too, and this runs under a lock; dropping the whole vector,
//! outside the lock, frees them.
//!
//! What has no element yet is blank. To write that into a new segment also makes the kernel find its pages, at once: to find one
//! makes a call ten times as long, and would do so once in 64 calls.

use std::collections::TryReserveError;
use std::ops::{Index, IndexMut};
use std::{hint, mem};

use crate::sys::reserve::is_short;

/// Elements of a segment, as a power of two.
const SEGMENT_LOG2: u32 = 8;
const SEGMENT: usize = 1 << SEGMENT_LOG2;
/// So few elements take no segment.
const FEW: usize = 64;
/// So few elements are not worth freeing.
const WORTHLESS: u32 = 16;
/// With this length the last index is below `u32::MAX`, which is free to mean "none".
const LONGEST: u32 = u32::MAX - SEGMENT as u32 + 1;

/// What may stand in a vector.
pub(super) trait Element {
    /// An element that says nothing.
    const BLANK: Self;
}

pub(super) struct Segments<T> {
    segments: Vec<Box<[T; SEGMENT]>>,
    /// The elements while there is no segment.
    few: Vec<T>,
    len: u32,
    /// How many elements there is room for.
    places: u32,
    /// The greatest length before a run was taken off.
    longest: u32,
}

/// The segment of an element, and its place there.
#[inline(always)]
fn locate(at: u32) -> (usize, usize) {
    ((at >> SEGMENT_LOG2) as usize, at as usize % SEGMENT)
}

/// So many blanks.
fn blanks<T: Element>(number: usize) -> Result<Vec<T>, TryReserveError> {
    let mut blanks = Vec::new();
    blanks.try_reserve_exact(number)?;
    blanks.resize_with(number, || T::BLANK);
    Ok(blanks)
}

impl<T: Element> Segments<T> {
    pub(super) const fn new() -> Self {
        Segments {
            segments: Vec::new(),
            few: Vec::new(),
            len: 0,
            places: 0,
            longest: 0,
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Makes room for one more element; false if there is no memory for it.
    #[inline]
    pub(super) fn make_ready(&mut self) -> bool {
        self.make_ready_for(1)
    }

    #[inline]
    fn make_ready_for(&mut self, more: u32) -> bool {
        let has_room = |vector: &Self| vector.places - vector.len >= more;
        has_room(self) || self.grow(more as usize).is_ok_and(|()| has_room(self))
    }

    /// Makes room for `least` elements or more.
    #[cold]
    fn grow(&mut self, least: usize) -> Result<(), TryReserveError> {
        if self.places == LONGEST || is_short() {
            return Ok(());
        }
        let doubled = (2 * self.few.len()).max(least);
        if self.segments.is_empty() && doubled <= FEW {
            let mut few = blanks(doubled)?;
            self.move_few(&mut few);
            self.few = few;
            self.places = doubled as u32;
            return Ok(());
        }
        self.segments.try_reserve(1)?;
        let Ok(mut segment) = Box::<[T; SEGMENT]>::try_from(blanks(SEGMENT)?) else {
            return Ok(()); // not reached: it has this length
        };
        if self.segments.is_empty() {
            self.move_few(&mut *segment);
            self.few = Vec::new();
            self.places = 0;
        }
        self.segments.push(segment);
        self.places += SEGMENT as u32;
        Ok(())
    }

    /// Moves the few elements to the front of `to`.
    fn move_few(&mut self, to: &mut [T]) {
        for (old, new) in self.few.iter_mut().zip(to) {
            mem::swap(old, new);
        }
        hint::black_box(&*self.few); // keeps the blanks, which nothing reads
    }

    /// Appends an element. `make_ready` must have returned true before, so that nothing grows here.
    #[inline(always)]
    pub(super) fn push(&mut self, element: T) {
        let at = self.len;
        self.len += 1;
        // What was there is blank and has nothing to drop.
        mem::forget(mem::replace(&mut self[at], element));
    }

    /// Bytes that elements take or have taken. The rest of the last segment, whose pages are touched already, is not counted.
    pub(super) fn memory(&self) -> usize {
        self.longest.max(self.len) as usize * size_of::<T>()
    }

    /// True if more than a few elements were ever needed.
    pub(super) fn has_grown(&self) -> bool {
        self.places > WORTHLESS
    }

    #[inline(never)]
    fn of_few(&self, at: u32) -> &T {
        &self.few[at as usize]
    }

    #[inline(never)]
    fn of_few_mut(&mut self, at: u32) -> &mut T {
        &mut self.few[at as usize]
    }
}

/// Runs of elements. A run is as long as a divisor of a segment and begins at a multiple of that, so it lies in one segment.
impl<T: Element + Copy> Segments<T> {
    /// Makes room for one more run of `N`; false if there is no memory for it.
    pub(super) fn make_ready_for_run<const N: usize>(&mut self) -> bool {
        const { assert!(FEW.is_multiple_of(N) && SEGMENT.is_multiple_of(N)) };
        self.make_ready_for(N as u32)
    }

    /// The run that begins at `at`.
    #[inline]
    pub(super) fn run<const N: usize>(&mut self, at: u32) -> &mut [T; N] {
        let (segment, offset) = locate(at);
        let rest = match self.segments.get_mut(segment) {
            Some(segment) => segment.get_mut(offset..),
            None => self.few.get_mut(offset..),
        };
        rest.and_then(<[T]>::first_chunk_mut)
            .expect("a run begins at a multiple of its length")
    }

    /// Appends a run. `make_ready_for_run` must have returned true before.
    pub(super) fn push_run<const N: usize>(&mut self, run: [T; N]) {
        *self.run(self.len) = run;
        self.len += N as u32;
    }

    /// Takes off the last run.
    pub(super) fn pop_run<const N: usize>(&mut self) -> [T; N] {
        self.longest = self.longest.max(self.len);
        self.len -= N as u32;
        mem::replace(self.run(self.len), [T::BLANK; N])
    }
}

impl<T: Element> Index<u32> for Segments<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, at: u32) -> &T {
        let (segment, offset) = locate(at);
        match self.segments.get(segment) {
            Some(segment) => &segment[offset],
            None => self.of_few(at),
        }
    }
}

impl<T: Element> IndexMut<u32> for Segments<T> {
    #[inline(always)]
    fn index_mut(&mut self, at: u32) -> &mut T {
        let (segment, offset) = locate(at);
        // Asked twice, as the borrow checker does not see that an element is returned from one of two places.
        if segment < self.segments.len() {
            &mut self.segments[segment][offset]
        } else {
            self.of_few_mut(at)
        }
    }
}

impl Element for u32 {
    const BLANK: Self = 0;
}

impl Element for i64 {
    const BLANK: Self = 0;
}
