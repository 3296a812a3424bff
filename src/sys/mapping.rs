//! Memory from the kernel, in whole pages: zeroed, or the contents of a file.

#[cfg(not(miri))]
use core::ptr;
use core::ptr::NonNull;
use std::io;
use std::os::fd::RawFd;

const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// A mapping. Dropping it unmaps the memory.
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and this type gives out an address but no reference.
unsafe impl Send for Mapping {}
// SAFETY: through `&Mapping` only the address can be read, and the kernel advised.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps zeroed memory of this process; a child gets a copy.
    pub fn private(len: usize) -> io::Result<Self> {
        Self::map(len, READ_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
    }

    /// Maps zeroed memory that this process shares with those forked from it. Pages are allocated when they are first used.
    pub fn shared(len: usize) -> io::Result<Self> {
        Self::map(
            len,
            READ_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
        )
    }

    /// Maps the first `len` bytes of a file, which must be at least so long, shared with every process that maps it.
    pub fn of_file(file: RawFd, len: usize) -> io::Result<Self> {
        Self::map(len, READ_WRITE, libc::MAP_SHARED, file)
    }

    /// The same, of a file that may be open for reading only: a store to the mapping ends the process.
    pub fn to_read(file: RawFd, len: usize) -> io::Result<Self> {
        Self::map(len, libc::PROT_READ, libc::MAP_SHARED, file)
    }

    /// Under Miri, which has no mappings of files: zeroed memory of the heap.
    #[cfg(miri)]
    fn map(len: usize, _access: i32, _flags: i32, file: RawFd) -> io::Result<Self> {
        if file >= 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // SAFETY: no mapping is empty.
        let base = unsafe { std::alloc::alloc_zeroed(layout(len)) };
        let base = NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    #[cfg(not(miri))]
    fn map(len: usize, access: i32, flags: i32, file: RawFd) -> io::Result<Self> {
        // SAFETY: the kernel chooses the address, so no existing mapping changes.
        let base = unsafe { libc::mmap(ptr::null_mut(), len, access, flags, file, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { base, len })
    }

    /// Advises the kernel about the mapping: one of `MADV_*`, but none that drops its contents.
    pub fn advise(&self, advice: i32) -> io::Result<()> {
        if cfg!(miri) {
            return Ok(()); // which means nothing to the heap
        }
        // SAFETY: the range is exactly this mapping, and the advice keeps its contents.
        match unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, advice) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Whether the kernel heeds advice: the user mode of qemu, in which programs for another processor run, takes any, also what is
    /// none, and heeds little of it.
    pub fn is_advice_heeded(&self) -> bool {
        const NO_ADVICE: i32 = -1;
        cfg!(miri) || self.advise(NO_ADVICE).is_err()
    }

    /// The address of the first byte, aligned to a page; the mapping is as long as was asked for.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }
}

/// Copies bytes through the kernel, so that memory that is gone, as in the mapping of a truncated file, is an error and not
/// a signal. Returns whether all bytes were copied; leaves errno unchanged.
///
/// # Safety
/// * `from` and `to` are, or were, mapped for `len` bytes.
/// * There is no Rust reference into `to` other than to atomics.
pub unsafe fn carry(to: NonNull<u8>, from: NonNull<u8>, len: usize) -> bool {
    let part = |base: NonNull<u8>| libc::iovec {
        iov_base: base.as_ptr().cast(),
        iov_len: len,
    };
    let (to, from) = (part(to), part(from));
    // The call gets the thread's id, because the first thread, whose id is the process's, may have ended. It is made through
    // syscall(2), as ThreadSanitizer takes libc's function for a plain access: threads may copy into the same words at
    // once, and a reader checks everything that it finds there.
    // SAFETY: errno's address is valid in this thread. The two descriptions live until the call returns, and the kernel
    // checks the addresses in them; by the contract of this function only atomics refer to the bytes that it writes.
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

/// What `map` allocates under Miri: whole pages.
#[cfg(miri)]
fn layout(len: usize) -> std::alloc::Layout {
    std::alloc::Layout::from_size_align(len, 4096).expect("a size of this machine")
}

#[cfg(miri)]
impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `map` has allocated it with this layout; borrows from it have ended, as it is dropped.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), layout(self.len)) };
    }
}

#[cfg(not(miri))]
impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `map` made the mapping with this address and length; borrows from it have ended, as it is dropped.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
