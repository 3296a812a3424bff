//! The mapped bytes, seen through atomics only.
//!
//! Another process may write any of these bytes at any moment, and a hostile one may write anything. So no Rust
//! reference to them exists but to atomics, and every place is checked against the length: an access that would lie
//! outside meets a word set aside for that, which means nothing.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::io;
use std::os::fd::RawFd;

use crate::sys::mapping::Mapping;

/// A word of the header that nothing else uses.
pub const NOWHERE: usize = 8;

pub struct Memory {
    mapping: Mapping,
    len: usize,
}

impl Memory {
    /// Fresh memory, all zeros, that children inherit; pages are had as they are first used.
    pub fn anonymous(len: usize) -> io::Result<Memory> {
        Memory::undumped(Mapping::shared(len)?, len)
    }

    /// The first `len` bytes of a file that is at least so long.
    pub fn of_file(file: RawFd, len: usize) -> io::Result<Memory> {
        Memory::undumped(Mapping::of_file(file, len)?, len)
    }

    fn undumped(mapping: Mapping, len: usize) -> io::Result<Memory> {
        mapping.advise(libc::MADV_DONTDUMP)?;
        Ok(Memory { mapping, len })
    }

    /// Where `size` aligned bytes at `at` are.
    fn place(&self, at: usize, size: usize) -> NonNull<u8> {
        let inside = at.is_multiple_of(size) && at <= self.len - size;
        debug_assert!(inside, "{size} bytes at {at} of {}", self.len);
        let at = if inside { at } else { NOWHERE };
        // SAFETY: inside the mapping.
        unsafe { self.mapping.base().add(at) }
    }

    pub fn u16(&self, at: usize) -> &AtomicU16 {
        // SAFETY: `place` is aligned and inside, the mapping lives as long as `self`, and everyone uses atomics.
        unsafe { self.place(at, 2).cast().as_ref() }
    }

    pub fn u32(&self, at: usize) -> &AtomicU32 {
        // SAFETY: as in `u16`.
        unsafe { self.place(at, 4).cast().as_ref() }
    }

    pub fn u64(&self, at: usize) -> &AtomicU64 {
        // SAFETY: as in `u16`.
        unsafe { self.place(at, 8).cast().as_ref() }
    }

    /// Writes bytes at an aligned place; the last word is filled up with zeros.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for (number, word) in words.iter().enumerate() {
            self.u64(at + 8 * number)
                .store(u64::from_ne_bytes(*word), Relaxed);
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.u64(at + 8 * words.len())
                .store(u64::from_ne_bytes(last), Relaxed);
        }
    }

    /// Overwrites whole words with zeros. These are atomic stores to memory that others see: no compiler drops them.
    pub fn wipe(&self, from: usize, to: usize) {
        for at in (from..to).step_by(8) {
            self.u64(at).store(0, Relaxed);
        }
    }
}
