//! The one line that we may have to say, on stderr.

use core::fmt;
use core::mem;
use core::sync::atomic::{AtomicBool, Ordering};

/// Says `what`, unless something was said before. Not where stderr was closed and its number now belongs to a
/// connection, nor where nobody reads it any more, which would end the process.
pub fn once(what: fmt::Arguments<'_>) {
    static SAID: AtomicBool = AtomicBool::new(false);
    // Relaxed: only whether it was said counts.
    if SAID.swap(true, Ordering::Relaxed) || !is_fit_for_it(libc::STDERR_FILENO) {
        return;
    }
    let line = format!("sslcache: {what}\n");
    // SAFETY: the bytes of a string. What cannot be written is not said.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

fn is_fit_for_it(fd: libc::c_int) -> bool {
    let mut asked = libc::pollfd {
        fd,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one record; no waiting.
    let ready = unsafe { libc::poll(&mut asked, 1, 0) } == 1 && asked.revents == libc::POLLOUT;
    // SAFETY: all zeroes is a valid stat.
    let mut stat: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: a place for the answer.
    let known = unsafe { libc::fstat(fd, &mut stat) } == 0;
    let is_socket = stat.st_mode & libc::S_IFMT == libc::S_IFSOCK;
    ready && known && (!is_socket || is_local_socket(fd))
}

/// A socket of this machine, as a journal's is.
fn is_local_socket(fd: libc::c_int) -> bool {
    // SAFETY: all zeroes is a valid address.
    let mut address: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut size = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: a place for the answer, of the size that is said.
    let asked = unsafe { libc::getsockname(fd, (&raw mut address).cast(), &mut size) };
    asked == 0 && libc::c_int::from(address.ss_family) == libc::AF_UNIX
}
