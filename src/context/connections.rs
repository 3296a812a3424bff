//! What is kept with a connection: the context it was made from, where it has another one now, what is known of its
//! client, and what decides with whom it shares.
//!
//! Not in its ex_data: that is the program's, and a QUIC connection's is used by two threads at once. It is kept
//! [beside](crate::sys::side_table) the connection, from the call that has something to keep until `capi::hooks` tells that
//! the connection is freed.

use core::ffi::c_int;
use core::hash::{Hash, Hasher};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering};

use std::hash::DefaultHasher;

use crate::cache::ClientHistory;
use crate::host::owners;
use crate::host::types::{SSL, SSL_CTX};
use crate::sys::side_table::SideTable;

/// All that is known of one connection. Nothing is ordered by it: a connection is used by one thread at a time.
#[derive(Default)]
struct Connection {
    /// Null where it has that context still.
    made_from: AtomicPtr<SSL_CTX>,
    /// What the session says of the client, that it offered in vain: a [`ClientHistory`].
    history: AtomicU8,
    /// Under which rule and name it began; 0 where that was not noted. See [`super::alike`].
    began: AtomicU64,
    /// Whether it is being resumed on a session of somebody else, and its rule may yet change.
    is_resumed: AtomicBool,
    /// A digest of the lists that were set for it alone, which no getter tells; 0 for none.
    lists: AtomicU64,
    /// Whether it has another setting of its own that no getter tells.
    is_apart: AtomicBool,
}

/// Servers have as many as have been switched to another context, or have offered a session in vain.
static CONNECTIONS: SideTable<Connection, 4096> = SideTable::new();

/// Records the context that a living connection was made from, unless that is recorded already.
pub fn record_made_from(ssl: *const SSL, ctx: *mut SSL_CTX) {
    if made_from(ssl).is_none() {
        CONNECTIONS.enter(ssl.addr(), |connection| {
            connection.made_from.store(ctx, Ordering::Relaxed);
        });
    }
}

/// The context that was recorded for a living connection. The connection keeps a reference to it.
fn made_from(ssl: *const SSL) -> Option<*mut SSL_CTX> {
    if CONNECTIONS.is_empty() {
        return None;
    }
    let recorded = CONNECTIONS
        .find(ssl.addr())?
        .made_from
        .load(Ordering::Relaxed);
    (!recorded.is_null()).then_some(recorded)
}

/// Notes with a living connection what the session says of its client that it offered in vain: the handshake goes on in
/// other calls, perhaps on another thread.
pub fn note_history(ssl: *const SSL, history: ClientHistory) {
    if history as u8 != self::history(ssl) as u8 {
        CONNECTIONS.enter(ssl.addr(), |connection| {
            connection.history.store(history as u8, Ordering::Relaxed);
        });
    }
}

/// What `note_history` noted. A connection that is cleared and used again keeps it: at worst one session stays longer
/// than it deserves.
pub fn history(ssl: *const SSL) -> ClientHistory {
    if CONNECTIONS.is_empty() {
        return ClientHistory::New;
    }
    let noted = CONNECTIONS
        .find(ssl.addr())
        .map(|connection| connection.history.load(Ordering::Relaxed));
    [ClientHistory::Returning, ClientHistory::Proven]
        .into_iter()
        .find(|&history| Some(history as u8) == noted)
        .unwrap_or(ClientHistory::New)
}

/// Notes under which rule and name a living connection began, by a key of both.
pub fn note_beginning(ssl: *const SSL, key: u64) {
    CONNECTIONS.enter(ssl.addr(), |connection| {
        connection.began.store(key, Ordering::Relaxed);
    });
}

/// What `note_beginning` noted.
pub fn beginning(ssl: *const SSL) -> Option<u64> {
    let noted = CONNECTIONS.find(ssl.addr())?.began.load(Ordering::Relaxed);
    (noted != 0).then_some(noted)
}

/// Notes whether a living connection is being resumed on a session of somebody else.
pub fn note_resumed(ssl: *const SSL, is: bool) {
    if is_resumed(ssl) != is {
        CONNECTIONS.enter(ssl.addr(), |connection| {
            connection.is_resumed.store(is, Ordering::Relaxed);
        });
    }
}

/// What `note_resumed` has noted.
pub fn is_resumed(ssl: *const SSL) -> bool {
    !CONNECTIONS.is_empty()
        && CONNECTIONS
            .find(ssl.addr())
            .is_some_and(|connection| connection.is_resumed.load(Ordering::Relaxed))
}

/// Notes a list that a control command has set for a living connection.
pub fn note_list(ssl: *const SSL, command: c_int, list: &[u8]) {
    let mut hasher = DefaultHasher::new();
    (lists(ssl), command, list).hash(&mut hasher);
    CONNECTIONS.enter(ssl.addr(), |connection| {
        connection
            .lists
            .store(hasher.finish() | 1, Ordering::Relaxed);
    });
}

/// A digest of what `note_list` has noted; 0 for nothing.
pub fn lists(ssl: *const SSL) -> u64 {
    if CONNECTIONS.is_empty() {
        return 0;
    }
    let known = CONNECTIONS.find(ssl.addr());
    known.map_or(0, |connection| connection.lists.load(Ordering::Relaxed))
}

/// Sets a living connection apart: it has a setting of its own that no getter tells.
pub fn set_apart(ssl: *const SSL) {
    CONNECTIONS.enter(ssl.addr(), |connection| {
        connection.is_apart.store(true, Ordering::Relaxed);
    });
}

/// Gives a copy of a connection what the original has of its own.
pub fn copy(from: *const SSL, to: *const SSL) {
    let (lists, is_apart) = (lists(from), is_apart(from));
    if lists != 0 || is_apart {
        CONNECTIONS.enter(to.addr(), |connection| {
            connection.lists.store(lists, Ordering::Relaxed);
            connection.is_apart.store(is_apart, Ordering::Relaxed);
        });
    }
}

/// Whether it was set apart.
pub fn is_apart(ssl: *const SSL) -> bool {
    !CONNECTIONS.is_empty()
        && CONNECTIONS
            .find(ssl.addr())
            .is_some_and(|connection| connection.is_apart.load(Ordering::Relaxed))
}

/// How many connections this process has begun, or was forked with.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Notes that one begins.
pub fn begin(ssl: *const SSL) {
    forget(ssl); // of one whose end was not told
    BEGUN.fetch_add(1, Ordering::Relaxed);
}

/// How many have begun.
pub fn begun() -> u64 {
    BEGUN.load(Ordering::Relaxed)
}

/// Forgets a connection that is freed.
pub fn forget(ssl: *const SSL) {
    CONNECTIONS.remove(ssl.addr(), |connection| {
        connection
            .made_from
            .store(ptr::null_mut(), Ordering::Relaxed);
        connection
            .history
            .store(ClientHistory::New as u8, Ordering::Relaxed);
        connection.began.store(0, Ordering::Relaxed);
        connection.is_resumed.store(false, Ordering::Relaxed);
        connection.lists.store(0, Ordering::Relaxed);
        connection.is_apart.store(false, Ordering::Relaxed);
    });
}

/// The context whose cache serves a connection: the one it was made from.
///
/// # Safety
/// * `ssl` is null or a connection, alive during the call.
pub unsafe fn session_context(ssl: *const SSL) -> Option<*mut SSL_CTX> {
    if ssl.is_null() {
        return None;
    }
    if let Some(ctx) = made_from(ssl) {
        return Some(ctx);
    }
    let libssl = owners::host_of(ssl.cast())?.libssl.as_ref().ok()?;
    // SAFETY: the caller's contract, and the connection's own host.
    let ctx = unsafe { (libssl.SSL_get_SSL_CTX)(ssl) };
    (!ctx.is_null()).then_some(ctx)
}
