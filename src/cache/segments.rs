//! A vector that grows without moving its elements.
//!
//! It grows by a segment, which takes one allocation and no copy, whatever the length: a `Vec` would copy everything while
//! the shard's lock is held. Only the first segment grows from a single element, because many contexts cache a session or
//! two; what has moved from there leaves blanks behind, as freed memory must not keep a session id. All segments have one
//! length, so that an element is found by a shift and a mask. A lack of memory is reported and does not abort. Segments
//! are kept when elements are taken off, because freeing pages is work too, and this runs under a lock; dropping the whole
//! vector, outside the lock, frees them.

use std::collections::TryReserveError;
use std::ops::{Index, IndexMut};
use std::{hint, mem};

use crate::sys::reserve::is_short;

/// Elements of a segment, as a power of two.
const SEGMENT_LOG2: u32 = 8;
const SEGMENT: u32 = 1 << SEGMENT_LOG2;
/// So few elements are not worth freeing.
const FEW: u32 = 16;
/// With this length the last index is below `u32::MAX`, which is free to mean "none".
const LONGEST: u32 = u32::MAX - SEGMENT + 1;

/// What may stand in a vector.
pub(super) trait Element {
    /// An element that says nothing.
    const BLANK: Self;
}

pub(super) struct Segments<T> {
    segments: Vec<Vec<T>>,
    len: u32,
    /// How many elements there is room for.
    places: u32,
    /// The greatest length before a run was taken off.
    longest: u32,
}

/// The segment of an element, and its place there.
#[inline(always)]
fn locate(at: u32) -> (usize, usize) {
    ((at >> SEGMENT_LOG2) as usize, (at % SEGMENT) as usize)
}

/// Writes to each page of a new segment. A page that the kernel has yet to find makes a call ten times as long, and would do
/// so once in 64 calls; a few at once do it once in a segment.
fn touch<T: Element>(elements: &mut Vec<T>) {
    const PAGE: usize = 4096;
    let room = elements.spare_capacity_mut();
    for first in room.iter_mut().step_by((PAGE / size_of::<T>()).max(1)) {
        first.write(T::BLANK);
    }
    hint::black_box(room);
}

impl<T: Element> Segments<T> {
    pub(super) const fn new() -> Self {
        Segments {
            segments: Vec::new(),
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
        has_room(self) || self.add_segment(more).is_ok_and(|()| has_room(self))
    }

    /// Adds a segment of `least` elements or more.
    #[cold]
    fn add_segment(&mut self, least: u32) -> Result<(), TryReserveError> {
        if self.places == LONGEST || is_short() {
            return Ok(());
        }
        // The first segment is doubled until it is whole.
        let is_first = self.places < SEGMENT;
        let length = if is_first {
            (2 * self.places).max(least)
        } else {
            SEGMENT
        };
        let mut elements = Vec::new();
        elements.try_reserve_exact(length as usize)?;
        match self.segments.first_mut() {
            Some(first) if is_first => {
                elements.extend(first.iter_mut().map(|old| mem::replace(old, T::BLANK)));
                hint::black_box(&*first); // keeps the blanks, which nothing reads
                *first = elements;
                self.places = length;
            }
            _ => {
                self.segments.try_reserve(1)?;
                touch(&mut elements);
                self.segments.push(elements);
                self.places += length;
            }
        }
        Ok(())
    }

    /// Appends an element. `make_ready` must have returned true before, so the segment does not grow here.
    #[inline(always)]
    pub(super) fn push(&mut self, element: T) {
        let (segment, _) = locate(self.len);
        self.segments[segment].push(element);
        self.len += 1;
    }

    /// Bytes that elements take or have taken. The rest of the last segment, whose pages are touched already, is not counted.
    pub(super) fn memory(&self) -> usize {
        self.longest.max(self.len) as usize * size_of::<T>()
    }

    /// True if more than a few elements were ever needed.
    pub(super) fn has_grown(&self) -> bool {
        self.places > FEW
    }
}

/// Runs of elements. A run is as long as a divisor of a segment and begins at a multiple of that, so it lies in one segment.
impl<T: Element + Copy> Segments<T> {
    /// Makes room for one more run of `N`; false if there is no memory for it.
    pub(super) fn make_ready_for_run<const N: usize>(&mut self) -> bool {
        const { assert!((SEGMENT as usize).is_multiple_of(N)) };
        self.make_ready_for(N as u32)
    }

    /// The run that begins at `at`.
    #[inline]
    pub(super) fn run<const N: usize>(&mut self, at: u32) -> &mut [T; N] {
        let (segment, offset) = locate(at);
        let rest = self.segments[segment].get_mut(offset..);
        rest.and_then(<[T]>::first_chunk_mut)
            .expect("a run begins at a multiple of its length")
    }

    /// Appends a run. `make_ready_for_run` must have returned true before.
    pub(super) fn push_run<const N: usize>(&mut self, run: [T; N]) {
        let (segment, _) = locate(self.len);
        self.segments[segment].extend(run);
        self.len += N as u32;
    }

    /// Takes off the last run.
    pub(super) fn pop_run<const N: usize>(&mut self) -> [T; N] {
        let run = *self.run(self.len - N as u32);
        self.longest = self.longest.max(self.len);
        self.len -= N as u32;
        let (segment, offset) = locate(self.len);
        self.segments[segment].truncate(offset);
        run
    }
}

impl<T: Element> Index<u32> for Segments<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        let (segment, offset) = locate(at);
        &self.segments[segment][offset]
    }
}

impl<T: Element> IndexMut<u32> for Segments<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        let (segment, offset) = locate(at);
        &mut self.segments[segment][offset]
    }
}

impl Element for u32 {
    const BLANK: Self = 0;
}

impl Element for i64 {
    const BLANK: Self = 0;
}
