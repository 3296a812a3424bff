//! Sessions as proof of who connects. An FTP server that demands a resumed session for each data connection takes it for
//! a proof that the client is the one of its control connection: there only sessions of that very login count.
//!
//! Such a server has a process for each client, and the data connections come to other ports than the control
//! connection. So as long as a process has served no second client at the port of its first connection, connections at
//! other ports are looked upon as its client's data connections: they are given what this process, or one that it was
//! forked from, has cached itself, and what they cache stays there. Workers that serve many clients are known as such
//! from the second one on.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crate::host::table::Traits;
use crate::host::types::SSL;
use crate::sys::lock::{Lock, this_process};

/// Whether this process is known to serve many clients; for good, but for processes that are forked from it.
static MANY: AtomicBool = AtomicBool::new(false);
/// The process that this is known of.
static KNOWN_IN: AtomicU32 = AtomicU32::new(0);
/// The first connection that was served, and by which process.
static FIRST: Lock<Option<(Ends, u32)>> = Lock::new(None);
/// The vectors of the last tickets that were made before that.
static MADE: Lock<Vec<[u8; 16]>> = Lock::new(Vec::new());
/// How many are kept: a client has few at a time.
const MADE_MOST: usize = 64;

/// The ends of a connection, as far as they matter.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    /// Our port.
    port: u16,
    /// Who is there: family, address and port.
    peer: [u8; 24],
}

/// Whether a connection may be given only what its own login has cached.
///
/// # Safety
/// * `ssl` is a connection of a server, alive during the call.
pub unsafe fn is_of_one(traits: &Traits, ssl: *const SSL) -> bool {
    let this = this_process();
    // Relaxed: threads that arrive together find the same.
    if KNOWN_IN.load(Relaxed) != this {
        // A child of one that serves many has its own clients to meet.
        if MANY.swap(false, Relaxed)
            && let Some(mut first) = FIRST.lock()
        {
            *first = None;
        }
        KNOWN_IN.store(this, Relaxed);
    }
    if MANY.load(Relaxed) {
        return false;
    }
    // SAFETY: the caller's contract.
    let Some(ends) = traits
        .SSL_get_rfd
        .and_then(|get| ends_of(unsafe { get(ssl) }))
    else {
        return false; // not at a port at all
    };
    let Some(mut first) = FIRST.lock() else {
        return true;
    };
    let (known, by) = *first.get_or_insert((ends, this));
    if known.port == ends.port && known.peer != ends.peer {
        match by == this {
            true => MANY.store(true, Relaxed),
            false => *first = Some((ends, this)), // that was its parent's client
        }
    }
    known.port != ends.port
}

/// Notes a ticket that is made, by its vector, while this process has one client.
pub fn note_ticket(vector: &[u8; 16]) {
    if MANY.load(Relaxed) {
        return;
    }
    if let Some(mut made) = MADE.lock() {
        if made.len() == MADE_MOST {
            made.remove(0);
        }
        if made.try_reserve(1).is_ok() {
            made.push(*vector);
        }
    }
}

/// Whether a ticket was made here.
pub fn has_made(vector: &[u8; 16]) -> bool {
    MADE.lock().is_some_and(|made| made.contains(vector))
}

fn ends_of(socket: c_int) -> Option<Ends> {
    let (ours, _) = address(socket, libc::getsockname)?;
    let (theirs, len) = address(socket, libc::getpeername)?;
    // Behind the family, which both begin with, IPv4 and IPv6 have the port.
    let port = u16::from_be_bytes([ours[2], ours[3]]);
    let mut peer = [0; 24];
    let len = len.min(peer.len());
    peer[..len].copy_from_slice(&theirs[..len]);
    Some(Ends { port, peer })
}

type Ask = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int;

/// An address of a socket of the Internet.
fn address(socket: c_int, ask: Ask) -> Option<([u8; size_of::<libc::sockaddr_in6>()], usize)> {
    let mut bytes = [0_u8; size_of::<libc::sockaddr_in6>()];
    let mut len = bytes.len() as libc::socklen_t;
    // SAFETY: a place of that length, which the kernel does not write beyond.
    if unsafe { ask(socket, bytes.as_mut_ptr().cast(), &mut len) } != 0 {
        return None;
    }
    let family = libc::sa_family_t::from_ne_bytes([bytes[0], bytes[1]]);
    let known = [libc::AF_INET, libc::AF_INET6].map(|family| family as libc::sa_family_t);
    let len = (len as usize).min(bytes.len());
    (known.contains(&family) && len >= size_of::<libc::sockaddr_in>()).then_some((bytes, len))
}
