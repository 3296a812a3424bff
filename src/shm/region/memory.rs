//! The mapped bytes of a region, accessed through atomics only.
//!
//! Another process may write any of these bytes at any moment, and a hostile one may write anything. So the only Rust
//! references to them are references to atomics, and every place is checked against the length: an access outside the
//! mapping goes to a word that is set aside for this and has no meaning.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::io;
use std::os::fd::RawFd;
use std::slice;

use crate::sys::mapping::Mapping;

#[cfg(fuzzing)]
thread_local! {
    /// How often this thread has asked for a word of any memory: how much it works.
    pub static LOOKS: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// A word of the header that nothing else uses.
pub const NOWHERE: usize = 8;

/// What may be looked at as a whole.
///
/// # Safety
/// * The type consists of atomics only, and any bytes are a value of it.
pub unsafe trait Shared {}

/// Shared memory, mapped.
pub struct Memory {
    mapping: Mapping,
    len: usize,
}

impl Memory {
    /// Maps zeroed memory that children inherit; pages are allocated when they are first used.
    pub fn anonymous(len: usize) -> io::Result<Memory> {
        Memory::no_dump(Mapping::shared(len)?, len)
    }

    /// Maps the first `len` bytes of a file, which must be at least so long.
    pub fn of_file(file: RawFd, len: usize) -> io::Result<Memory> {
        Memory::no_dump(Mapping::of_file(file, len)?, len)
    }

    /// Maps the first `len` bytes of a file, to be read only: a store through this memory ends the process.
    pub fn to_read(file: RawFd, len: usize) -> io::Result<Memory> {
        Memory::no_dump(Mapping::to_read(file, len)?, len)
    }

    fn no_dump(mapping: Mapping, len: usize) -> io::Result<Memory> {
        mapping.advise(libc::MADV_DONTDUMP)?;
        Ok(Memory { mapping, len })
    }

    /// Whether so many bytes at `at`, aligned as the second number says, lie inside. No more bytes are asked for than there are.
    fn has(&self, at: usize, size: usize, alignment: usize) -> bool {
        at.is_multiple_of(alignment) && at <= self.len - size
    }

    /// The address of `size` aligned bytes at `at`.
    fn place(&self, at: usize, size: usize) -> NonNull<u8> {
        #[cfg(fuzzing)]
        LOOKS.with(|looks| looks.set(looks.get() + 1));
        let inside = self.has(at, size, size);
        debug_assert!(inside, "{size} bytes at {at} of {}", self.len);
        let at = if inside { at } else { NOWHERE };
        // SAFETY: `at + size` is at most `len`, the length of the mapping; the word at `NOWHERE` lies in every region.
        unsafe { self.mapping.base().add(at) }
    }

    /// The word of 16 bits at `at`.
    pub fn u16(&self, at: usize) -> &AtomicU16 {
        // SAFETY: `place` returns an aligned address inside the mapping, which lives as long as `self`; every process
        // accesses these bytes through atomics only.
        unsafe { self.place(at, 2).cast().as_ref() }
    }

    /// The word of 32 bits at `at`.
    pub fn u32(&self, at: usize) -> &AtomicU32 {
        // SAFETY: `place` returns an aligned address inside the mapping, which lives as long as `self`; every process
        // accesses these bytes through atomics only.
        unsafe { self.place(at, 4).cast().as_ref() }
    }

    /// The word of 64 bits at `at`.
    pub fn u64(&self, at: usize) -> &AtomicU64 {
        // SAFETY: `place` returns an aligned address inside the mapping, which lives as long as `self`; every process
        // accesses these bytes through atomics only.
        unsafe { self.place(at, 8).cast().as_ref() }
    }

    /// What lies at `at`; `None` if that is not aligned, or not inside.
    pub fn view<T: Shared>(&self, at: usize) -> Option<&T> {
        #[cfg(fuzzing)]
        LOOKS.with(|looks| looks.set(looks.get() + 1));
        let inside = self.has(at, size_of::<T>(), align_of::<T>());
        // SAFETY: as in `u64`, for the length of the type, whose bytes are atomics'.
        inside.then(|| unsafe { self.mapping.base().add(at).cast().as_ref() })
    }

    /// So many words of 64 bits, from an aligned place on, which is checked once for all; none if one of them would lie outside.
    pub fn words(&self, at: usize, number: usize) -> &[AtomicU64] {
        #[cfg(fuzzing)]
        LOOKS.with(|looks| looks.set(looks.get() + number as u64));
        let inside = number <= self.len / 8 && self.has(at, 8 * number, 8);
        debug_assert!(inside, "{number} words at {at} of {}", self.len);
        if !inside {
            return &[];
        }
        // SAFETY: the words lie inside the mapping, as was just checked, and the rest is as in `u64`.
        unsafe { slice::from_raw_parts(self.mapping.base().add(at).cast().as_ptr(), number) }
    }

    /// Writes bytes at an aligned place; the last word is filled up with zeros.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        let (whole, rest) = bytes.as_chunks::<8>();
        for (word, bytes) in self.words(at, whole.len()).iter().zip(whole) {
            word.store(u64::from_ne_bytes(*bytes), Relaxed);
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.u64(at + 8 * whole.len())
                .store(u64::from_ne_bytes(last), Relaxed);
        }
    }

    /// Reads `len` bytes at an aligned place into `bytes`, in place of what is there; `None` without memory.
    pub fn read(&self, at: usize, len: usize, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.clear();
        // In whole words, so that the vector does not grow later, which would leave a copy behind.
        bytes.try_reserve_exact(len.next_multiple_of(8)).ok()?;
        for word in self.words(at, len.div_ceil(8)) {
            bytes.extend_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
        bytes.truncate(len);
        Some(())
    }

    /// For fuzzers: what a hostile process may write, and the length of what it may write to.
    #[cfg(fuzzing)]
    pub fn scribble(&self, at: usize, change: impl FnOnce(u64) -> u64) {
        let word = self.u64(at % self.len & !7);
        word.store(change(word.load(Relaxed)), Relaxed);
    }

    /// Overwrites words with zeros, the last one wholly. The compiler does not drop these stores, as they are atomic and go to memory that
    /// other processes see.
    pub fn wipe(&self, from: usize, to: usize) {
        for word in self.words(from, to.saturating_sub(from).div_ceil(8)) {
            word.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_wiped_wholly() {
        let memory = Memory::anonymous(4096).expect("memory");
        memory.write(64, &[7; 24]);
        memory.wipe(64, 64 + 9);
        let word = |at| memory.u64(at).load(Relaxed);
        assert_eq!([word(64), word(72)], [0, 0]);
        assert_ne!(word(80), 0);
    }

    #[test]
    fn nothing_is_seen_that_is_not_inside() {
        struct Two([AtomicU64; 2]);
        // SAFETY: atomics only.
        unsafe impl Shared for Two {}
        let memory = Memory::anonymous(4096).expect("memory");
        memory.write(4080, &[1; 16]);
        let last = memory.view::<Two>(4080).expect("the last two");
        assert_eq!(last.0[0].load(Relaxed), last.0[1].load(Relaxed));
        for at in [4084, 4088, 4096, usize::MAX - 7] {
            assert!(memory.view::<Two>(at).is_none(), "{at}");
        }
        assert_eq!(memory.words(4080, 2).len(), 2);
    }
}
