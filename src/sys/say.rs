//! The messages on stderr: at most one line on each of a few topics in the life of a process.

use core::fmt;
use core::mem;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::sys::files::check_file_limit;
use crate::sys::uncancelled::Uncancelled;

/// The topic of a line. There is one line on each, so that a server with the same trouble on every connection does not fill
/// its log. A forked process does not repeat what its parent has said.
#[derive(Clone, Copy)]
pub enum Topic {
    /// The host's libssl.
    Host,
    /// Settings that are not understood.
    Settings,
    /// That sslcache is active.
    Active,
    /// The shared region.
    Region,
    /// That the region has no entry for another context.
    Places,
    /// The agent of this host.
    Agent,
}

/// Writes `what` after the name of the library, unless a line was written on the topic.
pub fn once(topic: Topic, what: fmt::Arguments<'_>) {
    line_once(topic, format_args!("sslcache: {what}"));
}

/// Writes a line that already has the name of the library, unless a line was written on the topic. Does nothing if stderr
/// was closed and its number now belongs to a connection, if its reader is gone, or if it is a file that has reached the
/// process's limit: to write to these would harm the program or end it.
pub fn line_once(topic: Topic, line: fmt::Arguments<'_>) {
    static SAID: [AtomicBool; 6] = [const { AtomicBool::new(false) }; 6];
    // Relaxed: the flag orders nothing else.
    if SAID[topic as usize].swap(true, Ordering::Relaxed) {
        return;
    }
    let _uncancelled = Uncancelled::new();
    let line = format!("{line}\n");
    if !is_fit_for(&line, libc::STDERR_FILENO) {
        return;
    }
    // SAFETY: the pointer and the length are those of `line`. An error has no remedy and is ignored.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

fn is_fit_for(line: &str, fd: libc::c_int) -> bool {
    let mut asked = libc::pollfd {
        fd,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: `asked` is one pollfd, as the count says; a timeout of 0 does not wait.
    let ready = unsafe { libc::poll(&mut asked, 1, 0) } == 1 && asked.revents == libc::POLLOUT;
    // SAFETY: `stat` has only integers, for which all zeros is a valid value.
    let mut stat: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: `stat` is a place for the answer.
    let known = unsafe { libc::fstat(fd, &mut stat) } == 0;
    ready
        && known
        && match stat.st_mode & libc::S_IFMT {
            libc::S_IFSOCK => is_local_socket(fd),
            libc::S_IFREG => check_file_limit(stat.st_size as usize + line.len()).is_ok(),
            _ => true,
        }
}

/// True for a Unix socket, such as the journal's.
fn is_local_socket(fd: libc::c_int) -> bool {
    // SAFETY: `sockaddr_storage` has only integers, for which all zeros is a valid value.
    let mut address: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut size = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: `address` is a place for the answer, and `size` its size.
    let asked = unsafe { libc::getsockname(fd, (&raw mut address).cast(), &mut size) };
    asked == 0 && libc::c_int::from(address.ss_family) == libc::AF_UNIX
}
