//! How a mailbox gets from the process that made it to the agent: one message over a Unix socket.

use core::mem;
use core::ptr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::sys::files::uninterrupted;
use crate::sys::rights;

/// The contents of the message. What matters is the descriptor with it.
const GREETING: &[u8] = b"sslcache mailbox 1";

/// Sequenced packets: a message arrives whole or not at all, and the agent is told of the peer.
const KIND: i32 = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

/// Processes that the kernel lets wait until the agent has taken their mailboxes; a further one goes without.
const BACKLOG: i32 = 4096;

/// The identity of the process at the other end, from the kernel: of one that has sent a mailbox as it was when it connected, of
/// one that listens as it was when it began to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The process's id.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// Sends a mailbox to the agent whose socket is at `path`. Never waits. Opens nothing if there is no socket. Who listens there gets to
/// know the sessions and makes the keys: it has to be root, in whose name a service manager listens, or the user of this process.
pub fn send(path: &Path, file: BorrowedFd<'_>) -> io::Result<()> {
    let address = Address::of(path)?;
    if !is_socket(path) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let socket = socket()?;
    let (place, len) = address.raw();
    // SAFETY: `address` lives during the call and has `len` bytes.
    let connect = || unsafe { libc::connect(socket.as_raw_fd(), place, len) } as isize;
    if uninterrupted(connect) != 0 {
        return Err(io::Error::last_os_error());
    }
    let listener = peer_of(socket.as_fd())?.uid;
    // SAFETY: geteuid takes nothing and cannot fail.
    if listener != 0 && listener != unsafe { libc::geteuid() } {
        let why = format!("user {listener} listens there, who is neither root nor this process's");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    rights::send(socket.as_fd(), GREETING, &[file])
}

/// Makes the agent's socket at `path`, where there must be nothing. Every user may connect: whose mailbox is taken is decided
/// by the peer's identity.
pub fn listen(path: &Path) -> io::Result<OwnedFd> {
    let address = Address::of(path)?;
    let socket = socket()?;
    let (place, len) = address.raw();
    // SAFETY: `address` lives during the call and has `len` bytes.
    if unsafe { libc::bind(socket.as_raw_fd(), place, len) } != 0 {
        return Err(io::Error::last_os_error());
    }
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
    // SAFETY: `socket` is a descriptor; the call takes no pointer.
    match unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) } {
        0 => Ok(socket),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Receives what a process has sent over an accepted connection, without waiting. `Ok(None)`: nothing has come yet. Anything
/// but one greeting with one descriptor is an error.
pub fn receive(connection: BorrowedFd<'_>) -> io::Result<Option<(OwnedFd, Peer)>> {
    let peer = peer_of(connection)?;
    let mut greeting = [0_u8; GREETING.len() + 1];
    let received = match rights::receive(connection, &mut greeting, libc::MSG_DONTWAIT) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        received => received?,
    };
    let is_greeting = received.is_whole && greeting[..received.bytes] == *GREETING;
    let mut files = received.files.into_iter();
    match (files.next(), files.next()) {
        (Some(file), None) if is_greeting => Ok(Some((file, peer))),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn peer_of(connection: BorrowedFd<'_>) -> io::Result<Peer> {
    let mut about = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `about` is a place of `len` bytes for the answer.
    let asked = unsafe {
        libc::getsockopt(
            connection.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut about).cast(),
            &mut len,
        )
    };
    match asked {
        0 => Ok(Peer {
            pid: about.pid,
            uid: about.uid,
            gid: about.gid,
        }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointer.
    match unsafe { libc::socket(libc::AF_UNIX, KIND, 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: `socket` was made above and has no other owner.
        socket => Ok(unsafe { OwnedFd::from_raw_fd(socket) }),
    }
}

fn is_socket(path: &Path) -> bool {
    let metadata = std::fs::symlink_metadata(path);
    metadata.is_ok_and(|about| std::os::unix::fs::FileTypeExt::is_socket(&about.file_type()))
}

/// The address of a socket in the file system.
struct Address {
    raw: libc::sockaddr_un,
    len: usize,
}

impl Address {
    fn of(path: &Path) -> io::Result<Self> {
        // SAFETY: `sockaddr_un` has only integers, for which all zeros is a valid value.
        let mut raw: libc::sockaddr_un = unsafe { mem::zeroed() };
        let bytes = path.as_os_str().as_bytes();
        if bytes.is_empty() || bytes.len() >= raw.sun_path.len() || bytes.contains(&0) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        raw.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in raw.sun_path.iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        let len = mem::offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
        Ok(Self { raw, len })
    }

    fn raw(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        let place = ptr::from_ref(&self.raw).cast();
        (place, self.len as libc::socklen_t)
    }
}

/// The next connection to the agent's socket.
#[cfg(test)]
fn accept(socket: &OwnedFd) -> OwnedFd {
    let (none, flags) = (ptr::null_mut(), libc::SOCK_CLOEXEC);
    // SAFETY: no address is asked for.
    let got = unsafe { libc::accept4(socket.as_raw_fd(), none, none.cast(), flags) };
    assert!(got >= 0);
    // SAFETY: the connection has no other owner.
    unsafe { OwnedFd::from_raw_fd(got) }
}

/// The agent's end of the mailbox that is sent next, for the unit tests of those who send one.
#[cfg(test)]
pub fn end_of_next(socket: &OwnedFd) -> super::AgentEnd {
    let (file, _) = receive(accept(socket).as_fd()).unwrap().unwrap();
    super::AgentEnd::of_peer(file).unwrap()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{env, fs, process};

    use super::*;
    use crate::mailbox::{AgentEnd, Mailbox};

    struct Socket(PathBuf, OwnedFd);

    impl Socket {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("sslcache-post-{}-{name}", process::id()));
            let listening = listen(&path).unwrap();
            Self(path, listening)
        }

        fn accept(&self) -> OwnedFd {
            accept(&self.1)
        }
    }

    impl Drop for Socket {
        fn drop(&mut self) {
            fs::remove_file(&self.0).unwrap();
        }
    }

    #[test]
    fn a_mailbox_arrives_with_the_sender_s_identity() {
        let socket = Socket::new("arrives");
        let (mailbox, file) = Mailbox::make().unwrap();
        send(&socket.0, file.as_fd()).unwrap();
        let connection = socket.accept();
        let (file, peer) = receive(connection.as_fd()).unwrap().unwrap();
        // SAFETY: these have no preconditions.
        let own = unsafe { (libc::geteuid(), libc::getegid()) };
        assert_eq!(
            (peer.pid, peer.uid, peer.gid),
            (process::id() as i32, own.0, own.1)
        );
        let end = AgentEnd::of_peer(file).unwrap();
        end.beat(9);
        assert_eq!(mailbox.last_beat(), 9);
    }

    #[test]
    fn without_a_socket_nothing_is_sent() {
        let (_mailbox, file) = Mailbox::make().unwrap();
        let long = "x".repeat(200);
        for path in ["/nowhere/socket", "/dev/null", "", &long] {
            assert!(send(Path::new(path), file.as_fd()).is_err());
        }
    }

    #[test]
    fn a_peer_that_sends_nothing_or_something_else_is_refused() {
        let socket = Socket::new("refused");
        let (place, len) = {
            let address = Box::leak(Box::new(Address::of(&socket.0).unwrap()));
            address.raw()
        };
        let connect = || {
            let to = super::socket().unwrap();
            // SAFETY: the address is never freed.
            assert_eq!(unsafe { libc::connect(to.as_raw_fd(), place, len) }, 0);
            (to, socket.accept())
        };
        let (silent, connection) = connect();
        assert!(receive(connection.as_fd()).unwrap().is_none());
        drop(silent);
        assert!(receive(connection.as_fd()).is_err());
        for text in [GREETING, b"GET / HTTP/1.0", b""] {
            let (to, connection) = connect();
            // SAFETY: `text` is a live slice of that length.
            unsafe { libc::send(to.as_raw_fd(), text.as_ptr().cast(), text.len(), 0) };
            assert!(receive(connection.as_fd()).is_err());
        }
    }

    #[test]
    fn descriptors_that_are_too_many_are_closed() {
        send_to_be_refused(GREETING, 2);
    }

    #[test]
    fn a_descriptor_without_the_greeting_is_closed() {
        send_to_be_refused(b"sslcache mailbox 2", 1);
        send_to_be_refused(b"sslcache mailbox 1 ", 1);
        send_to_be_refused(b"sslcache mailbox", 1);
    }

    fn send_to_be_refused(greeting: &[u8], files: usize) {
        let (one, other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let (end, sent) = io::pipe().unwrap();
        rights::send(one.as_fd(), greeting, &vec![sent.as_fd(); files]).unwrap();
        assert!(receive(other.as_fd()).is_err());
        drop(sent);
        // Nobody has the pipe's other end any more. Other tests' descriptors may come and go.
        let mut asked = libc::pollfd {
            fd: end.as_raw_fd(),
            events: 0,
            revents: 0,
        };
        // SAFETY: `asked` is one pollfd, as the count says.
        let told = unsafe { libc::poll(&mut asked, 1, 10_000) };
        assert_eq!((told, asked.revents), (1, libc::POLLHUP));
    }
}
