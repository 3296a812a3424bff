//! A vector that grows without moving its elements.
//!
//! Each segment is twice as long as the one before, so growing takes one allocation and no copy, whatever the length: a
//! `Vec` would copy everything while the shard's lock is held. The tail of a large segment costs only address space, as
//! its pages are touched when they are first used. A lack of memory is reported and does not abort. Segments are kept when
//! elements are popped, because freeing pages is work too, and this runs under a lock; dropping the whole vector, outside
//! the lock, frees them.

use std::collections::TryReserveError;
use std::ops::{Index, IndexMut};

use crate::sys::reserve::is_short;

/// Elements in the first segment, as a power of two: small, because many contexts cache a session or two.
const FIRST_LOG2: u32 = 0;
/// So few segments are not worth freeing.
const FEW: usize = 4;
/// With this length the last index is below `u32::MAX`, which is free to mean "none".
const LONGEST: u32 = u32::MAX - (1 << FIRST_LOG2) + 1;

pub(super) struct Segments<T> {
    segments: Vec<Vec<T>>,
    len: u32,
    /// How many elements there is room for.
    places: u32,
    /// The greatest length so far.
    longest: u32,
}

/// Segment k begins at 2^k - 1; with 1 added, the top bit of an index names its segment.
fn locate(at: u32) -> (usize, usize) {
    // No index up to LONGEST wraps; a larger one wraps to a segment that never exists.
    let shifted = at.wrapping_add(1 << FIRST_LOG2);
    let top = 31 - (shifted | 1).leading_zeros();
    let segment = top.wrapping_sub(FIRST_LOG2);
    (segment as usize, (shifted ^ 1 << top) as usize)
}

impl<T> Segments<T> {
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
        self.len < self.places || self.add_segment().is_ok_and(|()| self.len < self.places)
    }

    #[cold]
    fn add_segment(&mut self) -> Result<(), TryReserveError> {
        let length = 1 << (self.segments.len() as u32 + FIRST_LOG2);
        let places = u64::from(self.places) + length;
        if places > u64::from(LONGEST) {
            return Ok(());
        }
        if is_short() {
            return Ok(());
        }
        let mut elements = Vec::new();
        elements.try_reserve_exact(length as usize)?;
        self.segments.try_reserve_exact(1)?; // there are never many
        self.segments.push(elements);
        self.places = places as u32;
        Ok(())
    }

    /// Appends an element. `make_ready` must have returned true before, so the segment does not grow here.
    pub(super) fn push(&mut self, element: T) {
        let (segment, _) = locate(self.len);
        self.segments[segment].push(element);
        self.len += 1;
        self.longest = self.longest.max(self.len);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let (segment, _) = locate(self.len.checked_sub(1)?);
        self.len -= 1;
        self.segments[segment].pop()
    }

    /// Bytes that elements take or have taken; the part of the last segment that was never used is only address space.
    pub(super) fn memory(&self) -> usize {
        self.longest as usize * size_of::<T>()
    }

    /// True if more than a few segments were ever needed.
    pub(super) fn has_grown(&self) -> bool {
        self.segments.len() > FEW
    }
}

impl<T> Index<u32> for Segments<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        let (segment, offset) = locate(at);
        &self.segments[segment][offset]
    }
}

impl<T> IndexMut<u32> for Segments<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        let (segment, offset) = locate(at);
        &mut self.segments[segment][offset]
    }
}
