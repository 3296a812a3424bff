//! Small things about files: the limit of their size, interrupted calls, reading without allocating, and writing at a place.

use core::ffi::CStr;
use std::io;
use std::os::fd::AsRawFd;

/// Fails if this process may not make a file of so many bytes. Beyond the limit the kernel does not only refuse: it ends
/// the process.
pub fn check_file_limit(bytes: usize) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for the answer.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    match limit.rlim_cur < bytes as u64 {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(()),
    }
}

/// Makes a system call, and makes it again while a signal interrupts it.
pub fn uninterrupted(mut call: impl FnMut() -> isize) -> isize {
    loop {
        let answer = call();
        if answer != -1 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return answer;
        }
    }
}

/// Reads the beginning of a file into `buffer` and returns how many bytes were read; 0 if the file cannot be read.
pub fn read_beginning(path: &CStr, buffer: &mut [u8]) -> usize {
    // SAFETY: `path` is a C string; no flag asks for a mode.
    let open = || unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) } as isize;
    let file = uninterrupted(open) as i32;
    if file < 0 {
        return 0;
    }
    // SAFETY: `buffer` is a live, writable slice of that length.
    let read =
        uninterrupted(|| unsafe { libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()) });
    // SAFETY: `file` was opened above and is not used after this.
    unsafe { libc::close(file) };
    usize::try_from(read).unwrap_or(0)
}

/// Writes bytes at a place of a file, through the kernel. Where that cannot be, as in a memfd that is sealed by now, nothing happens.
pub fn write_at(file: &impl AsRawFd, at: usize, bytes: &[u8]) {
    // SAFETY: `bytes` is a live slice of that length.
    unsafe {
        libc::pwrite(
            file.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            at as libc::off_t,
        )
    };
}
