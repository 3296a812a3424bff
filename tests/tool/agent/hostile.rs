//! Peers that send what is no mailbox, or nothing, or too much.

use std::error::Error;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use sslcache::mailbox::{MAILBOX_BYTES, Mailbox};
use sslcache::sys::rights;

use super::server::{Server, Site, as_user};
use crate::tool::{Outcome, Tool, wait_for};

const GREETING: &[u8] = b"sslcache mailbox 1";

/// A connection to the agent.
fn connect(path: &Path) -> io::Result<OwnedFd> {
    // SAFETY: `sockaddr_un` has only integers, for which all zeros is a valid value; the address lives during the calls.
    unsafe {
        let socket = libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0);
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(socket);
        let mut address: libc::sockaddr_un = mem::zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in address.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
            *to = *from as libc::c_char;
        }
        let len = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        match libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) {
            0 => Ok(socket),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// A memfd of this size, with these seals.
fn memfd(bytes: i64, seals: i32) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string, and the descriptor has no other owner.
    unsafe {
        let file = libc::memfd_create(
            c"hostile".as_ptr(),
            libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
        );
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        let file = OwnedFd::from_raw_fd(file);
        let done = libc::ftruncate(file.as_raw_fd(), bytes) == 0
            && libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) == 0;
        done.then_some(file).ok_or_else(io::Error::last_os_error)
    }
}

pub fn peers(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, false)? else {
        return Ok(());
    };
    let host = site.host("a", "")?;
    let agent = host.start(tool)?;
    let first = Server::join(&host.socket)?;
    let keys = first.wait()?;
    let before = agent.descriptors();
    let whole = MAILBOX_BYTES as i64;
    let sealed = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
    let null: OwnedFd = File::open("/dev/null")?.into();
    let (pipe, _writer) = io::pipe()?;
    let (_mailbox, good) = Mailbox::make()?;
    let unsealed = memfd(whole, 0)?;
    let only_shrink = memfd(whole, libc::F_SEAL_SHRINK)?;
    let huge = memfd(1 << 42, sealed)?;
    let short = memfd(4096, sealed)?;
    let zeros = memfd(whole, sealed)?;
    let read_only = memfd(whole, sealed | libc::F_SEAL_WRITE)?;
    let many = [null.as_fd(); 64];
    for (text, files, reason) in [
        (GREETING, &[][..], "invalid data"),
        (GREETING, &[good.as_fd(), good.as_fd()], "invalid data"),
        (GREETING, &many, "invalid data"),
        (b"GET / HTTP/1.0\r\n\r\n", &[good.as_fd()], "invalid data"),
        (&[b'x'; 4096], &[good.as_fd()], "invalid data"),
        (GREETING, &[null.as_fd()], "no memfd"),
        (GREETING, &[pipe.as_fd()], "no memfd"),
        (GREETING, &[unsealed.as_fd()], "not sealed"),
        (GREETING, &[only_shrink.as_fd()], "not sealed"),
        (GREETING, &[huge.as_fd()], "the size"),
        (GREETING, &[short.as_fd()], "the size"),
        (GREETING, &[zeros.as_fd()], "not a mailbox"),
        (GREETING, &[read_only.as_fd()], "cannot be mapped"),
    ] {
        let refusals = |log: String| log.lines().filter(|line| line.contains(reason)).count();
        let so_far = refusals(agent.log());
        rights::send(connect(&host.socket)?.as_fd(), text, files)?;
        wait_for(reason, || refusals(agent.log()) > so_far)?;
    }
    // Many that say nothing keep nobody waiting.
    let silent: Result<Vec<_>, _> = (0..1000).map(|_| connect(&host.socket)).collect();
    let silent = silent?;
    let second = Server::join(&host.socket)?;
    assert_eq!(second.wait()?, keys);
    assert!(
        agent.descriptors() < before + 300,
        "{}",
        agent.descriptors()
    );
    // A server that scribbles over its mailbox harms itself.
    drop(silent);
    drop(second);
    // The log does not grow with what others do.
    for _ in 0..100 {
        rights::send(connect(&host.socket)?.as_fd(), b"x", &[])?;
    }
    let third = Server::join(&host.socket)?;
    assert_eq!(third.wait()?, keys);
    assert!(agent.log().lines().count() < 60, "{}", agent.log());
    drop(third);
    wait_for("the descriptors of before", || {
        agent.signal(libc::SIGHUP);
        agent.descriptors() <= before
    })
}

/// The kernel waits for such pages when it is asked whether a mailbox is in use: for longer in all than anybody has patience.
pub fn pages_in_use(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, true)? else {
        return Ok(());
    };
    let host = site.host("a", "")?;
    let agent = host.start(tool)?;
    let first = Server::join(&host.socket)?;
    let keys = first.wait()?;
    let before = agent.descriptors();
    let mut pipes = Vec::new();
    for _ in 0..300 {
        let (mailbox, file) = Mailbox::make()?;
        let pipe = io::pipe()?;
        let none = std::ptr::null_mut();
        // SAFETY: splice gets two descriptors, and no offsets.
        let spliced =
            unsafe { libc::splice(file.as_raw_fd(), none, pipe.1.as_raw_fd(), none, 4096, 0) };
        assert_eq!(spliced, 4096);
        sslcache::mailbox::send(&host.socket, file.as_fd())?;
        drop(mailbox);
        pipes.push(pipe);
    }
    wait_for("all of them", || agent.descriptors() >= before + 300)?;
    agent.signal(libc::SIGHUP);
    let second = Server::join(&host.socket)?;
    assert_eq!(second.wait()?, keys);
    Ok(())
}

pub fn many_users(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, true)? else {
        return Ok(());
    };
    let host = site.host("a", "")?;
    let agent = host.start(tool)?;
    let many: Result<Vec<_>, _> = (20_000..20_070)
        .map(|uid| Server::join_as(&host.socket, uid))
        .collect();
    let many = many?;
    wait_for("a refusal", || {
        agent.has_said("as many mailboxes as may be")
    })?;
    Server::join(&host.socket)?.wait()?;
    let served = many.iter().filter(|server| !server.keys().is_empty());
    assert!(served.count() <= 64);
    Ok(())
}

pub fn come_and_go(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, true)? else {
        return Ok(());
    };
    let host = site.host("a", "")?;
    let agent = host.start(tool)?;
    let stays = Server::join_as(&host.socket, 7)?;
    let keys = stays.wait()?;
    wait_for("sessions", || stays.0.is_served())?;
    let before = agent.descriptors();
    // A user may have so many at one time, and others have theirs all the same.
    let many = as_user(7, || -> Result<Vec<Server>, String> {
        let join =
            |_| Server::join(&host.socket).map_err(|error: Box<dyn Error>| error.to_string());
        (0..600).map(join).collect()
    })??;
    wait_for("a refusal", || {
        agent.has_said("as many mailboxes as may be")
    })?;
    let other = Server::join_as(&host.socket, 8)?;
    other.wait()?;
    // One for each, and one more for those whose sessions are served.
    assert!(
        agent.descriptors() <= before + 501 + 256,
        "{}",
        agent.descriptors()
    );
    drop((many, other));
    for _ in 0..1000 {
        drop(Server::join_as(&host.socket, 7)?);
    }
    wait_for("the descriptors of before", || {
        agent.signal(libc::SIGHUP);
        thread::sleep(Duration::from_millis(500));
        agent.descriptors() <= before
    })?;
    assert_eq!(stays.keys(), keys);
    Ok(())
}
