//! Random numbers of the operating system.

use crate::sys::files::uninterrupted;

/// Fills `buffer` with random bytes; false if the system has none to give.
pub fn fill(buffer: &mut [u8]) -> bool {
    // The kernel does not cut a request of up to 256 bytes short.
    buffer.chunks_mut(256).all(|part| {
        let (start, len) = (part.as_mut_ptr(), part.len());
        // SAFETY: `part` is a live, writable slice of `len` bytes.
        let drawn = uninterrupted(|| unsafe { libc::getrandom(start.cast(), len, 0) });
        drawn == len as isize
    })
}
