//! Memory of last resort, for when the C library has none left.
//!
//! Rust ends the process where memory is lacking, but for the few functions that report it. A library inside a server must
//! not, and libssl does not: its calls fail. What grows with the number of sessions asks by those functions. For the small
//! pieces that a call needs beside them there is a reserve of fixed size, and work that needs many of them, or keeps them,
//! asks [`is_short`] first and is not begun: a handshake then finds no session, and a new context keeps the host's cache.
//!
//! The reserve is a part of the library's own image, so that nothing has to be asked for when it is needed. Each of its
//! blocks has a bit that tells whether it is out, so a fork finds it whole.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::alloc::System;

use crate::sys::guard::quietly;

/// The largest piece. What is larger is asked for by functions that report its lack.
const LARGEST: usize = 1 << 12;

/// The C library's allocator, with the reserve behind it. It leaves errno as it was: malloc sets it where memory lacks, and
/// may do so elsewhere.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Whether the C library had no memory when it was last asked.
static SHORT: AtomicBool = AtomicBool::new(false);
static RESERVE: Reserve = Reserve::new();

/// Whether there is no memory for work that can be left undone. Once there is some again, the answer is no.
#[inline]
pub fn is_short() -> bool {
    // Relaxed: a hint.
    SHORT.load(Ordering::Relaxed) && !has_come_back()
}

#[cold]
fn has_come_back() -> bool {
    const PROBE: Layout = Layout::new::<[u8; 16 * LARGEST]>();
    // SAFETY: the layout has a size, and the piece is freed by the allocator that made it.
    let there = quietly(|| unsafe {
        let piece = System.alloc(PROBE);
        System.dealloc(piece, PROBE);
        !piece.is_null()
    });
    if there {
        SHORT.store(false, Ordering::Relaxed);
    }
    there
}

// SAFETY: pieces come from the C library, or from the reserve, which hands out no byte twice; each goes back to where its
// address says that it came from.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let piece = quietly(|| unsafe { System.alloc(layout) });
        if piece.is_null() {
            return of_last_resort(layout);
        }
        piece
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let piece = quietly(|| unsafe { System.alloc_zeroed(layout) });
        if !piece.is_null() {
            return piece;
        }
        let piece = of_last_resort(layout);
        if !piece.is_null() {
            // SAFETY: the piece has room for the layout.
            unsafe { ptr::write_bytes(piece, 0, layout.size()) };
        }
        piece
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        if RESERVE.has(piece) {
            return RESERVE.give_back(piece);
        }
        // SAFETY: the piece is the C library's, and the rest is as the caller promises.
        quietly(|| unsafe { System.dealloc(piece, layout) });
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !RESERVE.has(piece) {
            // SAFETY: the piece is the C library's, and the rest is as the caller promises.
            let moved = quietly(|| unsafe { System.realloc(piece, layout, size) });
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the caller promises that `size` fits the alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the caller promises that `size` is not zero.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both pieces have room for the smaller size, and are apart.
            unsafe { ptr::copy_nonoverlapping(piece, moved, layout.size().min(size)) };
            // SAFETY: the piece is the caller's, of this layout.
            unsafe { self.dealloc(piece, layout) };
        }
        moved
    }
}

#[cold]
fn of_last_resort(layout: Layout) -> *mut u8 {
    SHORT.store(true, Ordering::Relaxed);
    RESERVE.take(layout)
}

/// Blocks of three sizes. A piece gets the smallest block that has room for it and is free.
struct Reserve {
    small: Blocks<64, 256>,
    medium: Blocks<512, 64>,
    large: Blocks<LARGEST, 64>,
}

impl Reserve {
    const fn new() -> Self {
        Self {
            small: Blocks::new(),
            medium: Blocks::new(),
            large: Blocks::new(),
        }
    }

    /// Whether a piece is of the reserve.
    fn has(&self, piece: *mut u8) -> bool {
        piece.addr().wrapping_sub(ptr::from_ref(self).addr()) < size_of::<Self>()
    }

    /// A piece for the layout; null if it is too large, or if no block is free.
    fn take(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNMENT {
            return ptr::null_mut();
        }
        let size = layout.size().max(layout.align());
        let small = self.small.take(size);
        let larger = small.or_else(|| self.medium.take(size));
        larger
            .or_else(|| self.large.take(size))
            .unwrap_or(ptr::null_mut())
    }

    fn give_back(&self, piece: *mut u8) {
        let _ = self.small.give_back(piece)
            || self.medium.give_back(piece)
            || self.large.give_back(piece);
    }
}

/// The greatest alignment of a piece; a block has that of its size where this is less.
const ALIGNMENT: usize = 128;

#[repr(C, align(128))]
struct Blocks<const SIZE: usize, const NUMBER: usize> {
    blocks: UnsafeCell<[[u8; SIZE]; NUMBER]>,
    /// A bit for each block that is out, 64 to a word.
    out: [AtomicU64; WORDS],
}

/// Words for the blocks of any size.
const WORDS: usize = 4;

// SAFETY: a block is handed out to one owner at a time.
unsafe impl<const SIZE: usize, const NUMBER: usize> Sync for Blocks<SIZE, NUMBER> {}

impl<const SIZE: usize, const NUMBER: usize> Blocks<SIZE, NUMBER> {
    const fn new() -> Self {
        assert!(SIZE.is_power_of_two() && NUMBER <= 64 * WORDS);
        assert!(align_of::<Self>() == ALIGNMENT);
        Self {
            blocks: UnsafeCell::new([[0; SIZE]; NUMBER]),
            out: [const { AtomicU64::new(0) }; WORDS],
        }
    }

    /// A block for so many bytes.
    fn take(&self, bytes: usize) -> Option<*mut u8> {
        if bytes > SIZE {
            return None;
        }
        (0..NUMBER).find_map(|block| {
            let (word, bit) = (&self.out[block / 64], 1 << (block % 64));
            // Acquire: pairs with the Release of the owner that has given it back.
            let was_free = word.load(Ordering::Relaxed) & bit == 0
                && word.fetch_or(bit, Ordering::Acquire) & bit == 0;
            // SAFETY: there are so many blocks.
            was_free.then(|| unsafe { self.blocks.get().cast::<u8>().add(block * SIZE) })
        })
    }

    /// Takes a piece back; `false` if it is not one of these blocks.
    fn give_back(&self, piece: *mut u8) -> bool {
        let block = piece.addr().wrapping_sub(self.blocks.get().addr()) / SIZE;
        if block >= NUMBER {
            return false;
        }
        // Release: what was done with the block comes before what its next owner does.
        self.out[block / 64].fetch_and(!(1 << (block % 64)), Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn pieces_are_aligned_apart_and_all_of_them_come_back() {
        static RESERVE: Reserve = Reserve::new();
        let mut most = 0;
        for _ in 0..3 {
            let mut out: Vec<(usize, *mut u8, usize)> = Vec::new();
            for (size, align) in [(1, 1), (24, 8), (300, 128), (64, 64), (513, 2)]
                .iter()
                .cycle()
            {
                let piece = RESERVE.take(layout(*size, *align));
                if piece.is_null() {
                    break;
                }
                assert!(RESERVE.has(piece) && piece.addr().is_multiple_of(*align));
                out.push((piece.addr(), piece, *size));
            }
            out.sort();
            let is_apart = |of: &[(usize, *mut u8, usize)]| of[0].0 + of[0].2 <= of[1].0;
            assert!(out.windows(2).all(is_apart), "pieces overlap");
            assert!(out.len() > 80 && (most == 0 || out.len() == most));
            most = out.len();
            out.iter()
                .for_each(|(_, piece, _)| RESERVE.give_back(*piece));
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        static RESERVE: Reserve = Reserve::new();
        assert!(RESERVE.take(layout(LARGEST + 1, 1)).is_null());
        assert!(RESERVE.take(layout(1, 4096)).is_null());
        assert!(!RESERVE.take(layout(LARGEST, ALIGNMENT)).is_null());
    }

    #[test]
    fn a_piece_of_the_reserve_grows_into_memory_of_the_c_library() {
        let small = layout(16, 8);
        let piece = of_last_resort(small);
        assert!(RESERVE.has(piece) && is_short_before_it_comes_back());
        // SAFETY: the piece has 16 bytes, and is moved and freed by the allocator that made it.
        unsafe {
            piece.write_bytes(7, 16);
            let moved = ALLOCATOR.realloc(piece, small, 4096);
            assert!(!RESERVE.has(moved));
            assert_eq!(core::slice::from_raw_parts(moved, 16), [7; 16]);
            ALLOCATOR.dealloc(moved, layout(4096, 8));
        }
        assert!(!is_short());
    }

    fn is_short_before_it_comes_back() -> bool {
        SHORT.load(Ordering::Relaxed)
    }

    #[test]
    #[cfg_attr(miri, ignore = "it ends where there is no memory")]
    fn errno_stays_where_there_is_no_memory() {
        // SAFETY: the function has no preconditions, and returns the address of this thread's errno.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: the valid address of this thread's errno.
        unsafe { *errno = 77 };
        // SAFETY: the layout has a size.
        let piece = unsafe { ALLOCATOR.alloc(layout(isize::MAX as usize - 4096, 1)) };
        // SAFETY: the valid address of this thread's errno.
        assert_eq!((piece, unsafe { *errno }), (ptr::null_mut(), 77));
    }
}
