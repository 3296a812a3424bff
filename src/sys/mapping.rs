//! Memory from the kernel, in whole pages: zeroed, or the contents of a file.

use core::ptr::{self, NonNull};
use std::io;
use std::os::fd::RawFd;

/// A mapping that can be read and written, until this is dropped.
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: memory like any other; who hands out references into it answers for them.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Of this process; a child has a copy.
    pub fn private(len: usize) -> io::Result<Self> {
        Self::map(len, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
    }

    /// Of this process and those that will be forked from it. Pages are had as they are first used.
    pub fn shared(len: usize) -> io::Result<Self> {
        Self::map(
            len,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
        )
    }

    /// The first `len` bytes of a file that is at least so long, with all who map it.
    pub fn of_file(file: RawFd, len: usize) -> io::Result<Self> {
        Self::map(len, libc::MAP_SHARED, file)
    }

    fn map(len: usize, flags: i32, file: RawFd) -> io::Result<Self> {
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
        Ok(Self { base, len })
    }

    /// Tells the kernel how all of it is to be treated: one of `MADV_*`, none that drops what is in it.
    pub fn advise(&self, advice: i32) -> io::Result<()> {
        // SAFETY: our own mapping.
        match unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, advice) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Where it begins: aligned to a page, and so long as was asked for.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }
}

/// Copies bytes by way of the kernel: where a place is gone, as in the mapping of a file that was truncated, that is an
/// error, and no signal. Whether all were copied; errno is left as it was.
///
/// # Safety
/// * Both places are mapped, or were, for so many bytes; nobody has a Rust reference into `to`, but to atomics.
pub unsafe fn carry(to: NonNull<u8>, from: NonNull<u8>, len: usize) -> bool {
    let part = |base: NonNull<u8>| libc::iovec {
        iov_base: base.as_ptr().cast(),
        iov_len: len,
    };
    let (to, from) = (part(to), part(from));
    // The thread's number, as the process's first thread, whose number the process has, may have ended. The call is made
    // by its number, as ThreadSanitizer takes libc's function for a plain access: threads may copy into the same words at
    // once, and a reader believes nothing that it finds there.
    // SAFETY: no arguments; then our own memory, by the caller's word, and a number of ours.
    let copied = unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let us = libc::syscall(libc::SYS_gettid) as libc::pid_t;
        let number = libc::SYS_process_vm_readv;
        let copied = libc::syscall(
            number,
            us,
            &raw const to,
            1_usize,
            &raw const from,
            1_usize,
            0_usize,
        );
        *errno = before;
        copied
    };
    usize::try_from(copied) == Ok(len)
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `map`, and its owner has no reference into it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
