//! The socket by which processes send their mailboxes. Every user may connect, and whose keys a process gets is decided by the
//! user that the kernel names; so there are bounds for what any of them can cost.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use std::{io, ptr};

use sslcache::mailbox;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use super::secret::shown;
use super::state::Shared;
use crate::failure::Failure;

/// The time that a process has for sending its mailbox once it is connected.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most connections whose mailbox is not there yet. The oldest gives way.
const WAITING_MOST: usize = 256;

/// The agent's own socket. Dropping it removes it.
pub struct Own {
    path: PathBuf,
    /// Locked for as long as the socket is this agent's: two agents that start at once do not remove each other's.
    _lock: File,
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Listens at `path`. A socket that an agent before this one has left there is replaced.
pub fn listen(path: &Path) -> Result<(OwnedFd, Own), Failure> {
    let failed = |error: io::Error| {
        Failure::new(
            shown(path),
            error,
            "run as a user that may make it, or set `socket` to another place",
        )
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut options = OpenOptions::new();
    let lock = options.write(true).create(true).truncate(false).mode(0o600);
    let lock = lock.open(name).map_err(failed)?;
    // SAFETY: `lock` is a descriptor; the call takes no pointer.
    if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
        return Err(Failure::new(
            shown(path),
            "another agent listens there",
            "end that one, or set `socket` to another place",
        ));
    }
    let is_socket = |about: fs::Metadata| about.file_type().is_socket();
    if path.symlink_metadata().is_ok_and(is_socket) {
        fs::remove_file(path).map_err(failed)?;
    }
    let socket = mailbox::listen(path).map_err(failed)?;
    let path = path.to_owned();
    Ok((socket, Own { path, _lock: lock }))
}

/// The socket, made ready to be waited for.
pub fn listening(socket: OwnedFd) -> Result<AsyncFd<OwnedFd>, Failure> {
    let failed = |error| {
        Failure::new(
            "the socket",
            error,
            "see to the unit's sslcache-agent.socket",
        )
    };
    // SAFETY: `socket` is a descriptor; the call takes no pointer.
    let set = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    if set != 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    readable(socket).map_err(failed)
}

/// A descriptor whose events are waited for.
fn readable(file: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: `file` owns the descriptor for as long as it is registered, and is not replaced.
    Ok(unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) }?)
}

/// Takes connections for ever.
pub async fn accept(socket: AsyncFd<OwnedFd>, state: Shared, wake: Rc<Notify>) {
    let mut waiting = VecDeque::<JoinHandle<()>>::new();
    loop {
        let taken = match socket.readable().await {
            Ok(mut ready) => ready.try_io(|socket| accept_one(socket.get_ref())),
            Err(error) => Ok(Err(error)),
        };
        let connection = match taken {
            Ok(Ok(connection)) => connection,
            // Descriptors are short: trying again at once would be a busy loop.
            Ok(Err(_)) => {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(_would_block) => continue,
        };
        // Most have sent their mailbox before they are looked at.
        if take(&connection, &state, &wake) {
            continue;
        }
        waiting.retain(|task| !task.is_finished());
        while waiting.len() >= WAITING_MOST
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.abort();
        }
        let (state, wake) = (state.clone(), wake.clone());
        waiting.push_back(spawn_local(async move {
            if let Ok(connection) = readable(connection) {
                let _ = timeout(PATIENCE, connection.readable()).await;
                take(connection.get_ref(), &state, &wake);
            }
        }));
        // With many connections at once, the clock and the store get their turns.
        yield_now().await;
    }
}

fn accept_one(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: `socket` is a descriptor, and no address is asked for.
    let got = unsafe { libc::accept4(socket.as_raw_fd(), ptr::null_mut(), ptr::null_mut(), flags) };
    match got {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the connection was made above and has no other owner.
        got => Ok(unsafe { OwnedFd::from_raw_fd(got) }),
    }
}

/// Takes what a connection has brought. False if nothing has come yet.
fn take(connection: &OwnedFd, state: &Shared, wake: &Notify) -> bool {
    let mut state = state.borrow_mut();
    match mailbox::receive(connection.as_fd()) {
        Ok(None) => return false,
        Ok(Some((file, peer))) => {
            if state.attach(file, peer, true) {
                wake.notify_one();
            }
        }
        Err(error) => state.refused("a process", &error.to_string()),
    }
    true
}
