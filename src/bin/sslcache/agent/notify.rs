//! What the service manager is told, and what it keeps for the agent: systemd's notifications, its socket, and its store of
//! descriptors, from which mailboxes come back after a restart.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use std::{env, process};

use sslcache::sys::rights;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;
/// The most descriptors that are taken: more than the agent has ever given away.
const MOST: i32 = 8192;
/// The manager is not waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// The way to the service manager.
pub struct Manager {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that all is well.
    pub watchdog: Option<Duration>,
}

impl Manager {
    /// The manager that has started this process, if there is one.
    pub fn of_environment() -> Self {
        let path = env::var_os("NOTIFY_SOCKET");
        let socket = path.and_then(|path| {
            let path = path.into_encoded_bytes();
            let address = match path.strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(std::path::Path::new(&*String::from_utf8_lossy(
                    &path,
                ))),
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.connect_addr(&address.ok()?).ok()?;
            socket.set_write_timeout(Some(PATIENCE)).ok()?;
            Some(socket)
        });
        let is_ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == process::id().to_string());
        let micros = env::var("WATCHDOG_USEC").ok().filter(|_| is_ours);
        let micros = micros
            .and_then(|micros| micros.parse().ok())
            .filter(|&micros| micros > 0);
        Self {
            socket,
            watchdog: micros.map(|micros: u64| Duration::from_micros(micros / 2)),
        }
    }

    /// True if there is one.
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Tells it something. There may be none, or one that does not listen.
    pub fn tell(&self, text: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(text.as_bytes());
        }
    }

    /// Gives it a descriptor to keep, under a name of letters, digits and dashes.
    pub fn keep(&self, name: &str, file: BorrowedFd<'_>) {
        if let Some(socket) = &self.socket {
            let text = format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}");
            let _ = rights::send(socket.as_fd(), text.as_bytes(), &[file]);
        }
    }

    /// Lets it close what it keeps under this name.
    pub fn forget(&self, name: &str) {
        self.tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}"));
    }
}

/// What the manager has handed over: each descriptor with its name. To be called once, before any other descriptor is opened.
pub fn handed_over() -> Vec<(String, OwnedFd)> {
    let number = |name: &str| env::var(name).ok()?.parse::<i32>().ok();
    if number("LISTEN_PID") != i32::try_from(process::id()).ok() {
        return Vec::new();
    }
    let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, MOST);
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut taken = Vec::new();
    for raw in FIRST..FIRST + count {
        let name = names.next().unwrap_or_default().to_owned();
        // SAFETY: the calls take no pointer; they fail if this is no descriptor.
        let is_open = unsafe { libc::fcntl(raw, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
        if is_open {
            // SAFETY: the manager has opened it for this process, which takes it over only here.
            taken.push((name, unsafe { OwnedFd::from_raw_fd(raw) }));
        }
    }
    taken
}

/// True of a socket on which connections of the agent's kind arrive.
pub fn is_listening(file: &impl AsFd) -> bool {
    let is = |option, value: i32| {
        let (mut got, mut len) = (0_i32, size_of::<i32>() as libc::socklen_t);
        // SAFETY: `got` is a place of `len` bytes for the answer.
        let asked = unsafe {
            libc::getsockopt(
                file.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw mut got).cast(),
                &raw mut len,
            )
        };
        asked == 0 && got == value
    };
    is(libc::SO_TYPE, libc::SOCK_SEQPACKET)
        && is(libc::SO_ACCEPTCONN, 1)
        && is(libc::SO_DOMAIN, libc::AF_UNIX)
}
