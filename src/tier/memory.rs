//! The mapped bytes, seen through atomics only.
//!
//! Another process may write any of these bytes at any moment, and a hostile one may write anything. So no Rust
//! reference to them exists but to atomics, and every place is checked against the length: an access that would lie
//! outside meets a word set aside for that, which means nothing.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::io;
use std::os::fd::RawFd;

/// A word of the header that nothing else uses.
pub(super) const NOWHERE: usize = 8;

pub(super) struct Memory {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping lives as long as this value, and is only seen through atomics.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Fresh memory, all zeros, that children inherit; pages are had as they are first used.
    pub(super) fn anonymous(len: usize) -> io::Result<Memory> {
        Memory::map(
            len,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
        )
    }

    /// The first `len` bytes of a file that is at least so long.
    pub(super) fn of_file(file: RawFd, len: usize) -> io::Result<Memory> {
        Memory::map(len, libc::MAP_SHARED, file)
    }

    fn map(len: usize, flags: i32, file: RawFd) -> io::Result<Memory> {
        // SAFETY: a new mapping, where the kernel likes.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                file,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let memory = Memory { base, len };
        // SAFETY: our own mapping.
        if unsafe { libc::madvise(memory.base.as_ptr().cast(), len, libc::MADV_DONTDUMP) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(memory)
    }

    /// Where `size` aligned bytes at `at` are.
    fn place(&self, at: usize, size: usize) -> NonNull<u8> {
        let inside = at.is_multiple_of(size) && at <= self.len - size;
        debug_assert!(inside, "{size} bytes at {at} of {}", self.len);
        let at = if inside { at } else { NOWHERE };
        // SAFETY: inside the mapping.
        unsafe { self.base.add(at) }
    }

    pub(super) fn u16(&self, at: usize) -> &AtomicU16 {
        // SAFETY: `place` is aligned and inside, the mapping lives as long as `self`, and everyone uses atomics.
        unsafe { self.place(at, 2).cast().as_ref() }
    }

    pub(super) fn u32(&self, at: usize) -> &AtomicU32 {
        // SAFETY: as in `u16`.
        unsafe { self.place(at, 4).cast().as_ref() }
    }

    pub(super) fn u64(&self, at: usize) -> &AtomicU64 {
        // SAFETY: as in `u16`.
        unsafe { self.place(at, 8).cast().as_ref() }
    }

    /// Writes bytes at an aligned place; the last word is filled up with zeros.
    pub(super) fn write(&self, at: usize, bytes: &[u8]) {
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
    pub(super) fn wipe(&self, from: usize, to: usize) {
        for at in (from..to).step_by(8) {
            self.u64(at).store(0, Relaxed);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`; nobody has a reference into it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
