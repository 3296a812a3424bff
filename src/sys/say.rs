//! What we say on stderr: one line on each of few topics, in the life of a process.

use core::fmt;
use core::mem;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::sys::files::check_file_limit;
use crate::sys::uncancelled::Uncancelled;

/// What a line is about. Each is spoken of once, so that a server which meets the same trouble with every
/// connection does not fill its log with it; a forked process goes on where its parent was.
#[derive(Clone, Copy)]
pub enum Topic {
    /// The libssl behind us.
    Host,
    /// What the settings have that is not understood.
    Settings,
    /// That we are at work.
    Active,
    /// The memory that processes share.
    Region,
    /// That there is no place in it for another context.
    Places,
}

/// Says `what` after our name, unless something was said on the topic.
pub fn once(topic: Topic, what: fmt::Arguments<'_>) {
    line_once(topic, format_args!("sslcache: {what}"));
}

/// Says a line that names us itself, unless something was said on the topic. Not where stderr was closed and its
/// number now belongs to a connection, nor where nobody reads it any more or it is a file of the length that this process
/// may write, which would end the process.
pub fn line_once(topic: Topic, line: fmt::Arguments<'_>) {
    static SAID: [AtomicBool; 5] = [const { AtomicBool::new(false) }; 5];
    // Relaxed: only whether it was said counts.
    if SAID[topic as usize].swap(true, Ordering::Relaxed) {
        return;
    }
    let _uncancelled = Uncancelled::new();
    let line = format!("{line}\n");
    if !is_fit_for(&line, libc::STDERR_FILENO) {
        return;
    }
    // SAFETY: the bytes of a string. What cannot be written is not said.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

fn is_fit_for(line: &str, fd: libc::c_int) -> bool {
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
    ready
        && known
        && match stat.st_mode & libc::S_IFMT {
            libc::S_IFSOCK => is_local_socket(fd),
            libc::S_IFREG => check_file_limit(stat.st_size as usize + line.len()).is_ok(),
            _ => true,
        }
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
