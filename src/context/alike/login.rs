//! Sessions as proof of identity. An FTP server that demands a resumed session for each data connection takes that as proof
//! that the data connection is from the client of the control connection. So only sessions of that very login may be
//! resumed there.
//!
//! Such a server has a process for each client, and the data connections come to other ports than the control
//! connection. As long as a process has served no second client at the port of its first connection, its connections at
//! other ports are treated as data connections of one login: they get only sessions that this process or an ancestor
//! has cached itself, and the sessions that they make stay in the process. From its second client on, a process is known
//! as a worker that serves many.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crate::host::table::Traits;
use crate::host::types::SSL;
use crate::sys::forks::this_process;
use crate::sys::lock::Lock;

/// Whether the process in `KNOWN_IN` is known to serve many clients.
static MANY: AtomicBool = AtomicBool::new(false);
/// The process that `MANY` is about.
static KNOWN_IN: AtomicU32 = AtomicU32::new(0);
/// The first connection, and the process that served it.
static FIRST: Lock<Option<(Ends, u32)>> = Lock::new(None);
/// The IVs of the last tickets that were made while `MANY` was false.
static MADE: Lock<Vec<[u8; 16]>> = Lock::new(Vec::new());
/// How many IVs are kept: a client has few tickets at a time.
const MADE_MOST: usize = 64;

/// The two ends of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    /// The port of the server.
    port: u16,
    /// The socket address of the client: family, port and address.
    peer: [u8; 24],
}

/// Whether a connection may have only sessions of its own login.
///
/// # Safety
/// * `ssl` is a connection of a server, alive during the call.
pub unsafe fn is_of_one(traits: &Traits, ssl: *const SSL) -> bool {
    let this = this_process();
    // Relaxed: threads that arrive together store the same values.
    if KNOWN_IN.load(Relaxed) != this {
        // A child of a process that serves many clients may itself serve only one.
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
    // SAFETY: the caller keeps the connection alive.
    let Some(ends) = traits
        .SSL_get_rfd
        .and_then(|get| ends_of(unsafe { get(ssl) }))
    else {
        return false; // not a connection of TCP
    };
    let Some(mut first) = FIRST.lock() else {
        return true;
    };
    let (known, by) = *first.get_or_insert((ends, this));
    if known.port == ends.port && known.peer != ends.peer {
        match by == this {
            true => MANY.store(true, Relaxed),
            false => *first = Some((ends, this)), // the known connection is the parent's
        }
    }
    known.port != ends.port
}

/// Notes a ticket that is made by its IV, unless this process serves many clients.
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

/// Whether this process or an ancestor has made the ticket with this IV.
pub fn has_made(vector: &[u8; 16]) -> bool {
    MADE.lock().is_some_and(|made| made.contains(vector))
}

/// The ends of a connection; `None` if the socket is not one of IPv4 or IPv6.
fn ends_of(socket: c_int) -> Option<Ends> {
    let (ours, _) = address(socket, libc::getsockname)?;
    let (theirs, len) = address(socket, libc::getpeername)?;
    // sockaddr_in and sockaddr_in6 both have the port after the family.
    let port = u16::from_be_bytes([ours[2], ours[3]]);
    let mut peer = [0; 24];
    let len = len.min(peer.len());
    peer[..len].copy_from_slice(&theirs[..len]);
    Some(Ends { port, peer })
}

type Ask = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int;

/// One address of an IPv4 or IPv6 socket, and its length.
fn address(socket: c_int, ask: Ask) -> Option<([u8; size_of::<libc::sockaddr_in6>()], usize)> {
    let mut bytes = [0_u8; size_of::<libc::sockaddr_in6>()];
    let mut len = bytes.len() as libc::socklen_t;
    // SAFETY: `bytes` has `len` bytes, and the kernel writes no more.
    if unsafe { ask(socket, bytes.as_mut_ptr().cast(), &mut len) } != 0 {
        return None;
    }
    let family = libc::sa_family_t::from_ne_bytes([bytes[0], bytes[1]]);
    let known = [libc::AF_INET, libc::AF_INET6].map(|family| family as libc::sa_family_t);
    let len = (len as usize).min(bytes.len());
    (known.contains(&family) && len >= size_of::<libc::sockaddr_in>()).then_some((bytes, len))
}
