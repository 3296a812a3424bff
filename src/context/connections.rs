//! What is kept with a connection: the context that it was made from (if it has another one now), what is known of its
//! client, and what decides with whom it shares.
//!
//! ex_data is not used for this: it is the program's, and that of a QUIC connection is used by two threads at once. The
//! values are kept [beside](crate::sys::side_table) the connection, from the first call that has something to keep until
//! `capi::hooks` tells that the connection is freed.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering};

use super::alike::digest::Fields;
use crate::cache::{ClientHistory, Key};
use crate::host::abi::SSL_OP_NO_ANTI_REPLAY;
use crate::host::connection::is_quic;
use crate::host::types::{SSL, SSL_CTX};
use crate::host::{Libssl, owners};
use crate::sys::side_table::SideTable;

/// What is known of one connection. All accesses are relaxed: a connection is used by one thread at a time, and the
/// program orders its threads.
#[derive(Default)]
struct Connection {
    /// The context that it was made from; null if that was not recorded.
    made_from: AtomicPtr<SSL_CTX>,
    /// The history of its client, a [`ClientHistory`].
    history: AtomicU8,
    /// The first word of the id of the session that this was told by; 0 for none.
    told_by: AtomicU64,
    /// A key of the rule and name under which its handshake began; 0 if that was not noted. See
    /// [`decide`](super::alike::decide).
    began: AtomicU64,
    /// Whether it is being resumed on a session that another process may have made, and its rule may yet change.
    is_resumed: AtomicBool,
    /// A digest of the lists that were set for this connection, which no getter tells; 0 for none.
    lists: AtomicU64,
    /// The options that a QUIC connection was given by a call, with [`OPTIONS_NOTED`]; 0 if it was given none.
    options: AtomicU64,
    /// Whether this connection has another setting that no getter tells.
    is_apart: AtomicBool,
}

/// No option of libssl is this bit.
const OPTIONS_NOTED: u64 = 1 << 63;

/// A connection has an entry if it was switched to another context, if its client offered a session that was not found,
/// or if one of the other values was noted.
static CONNECTIONS: SideTable<Connection, 4096> = SideTable::new();

/// Records the context that a living connection was made from, unless one is recorded already.
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

/// Notes the history of a living connection's client, whose session of this key was not found. The session that the handshake
/// makes is added in a later call, perhaps by another thread.
///
/// `history` is asked once for each session: libssl looks it up again after a HelloRetryRequest (RFC 8446, section 4.1.4), and a
/// cache tells only once that it had to leave.
pub fn note_history(ssl: *const SSL, key: &Key, history: impl FnOnce() -> ClientHistory) {
    let [told_by, ..] = key.words();
    let is_noted = |connection: &Connection| connection.told_by.load(Ordering::Relaxed) == told_by;
    if CONNECTIONS.find(ssl.addr()).is_some_and(is_noted) {
        return;
    }
    let history = history();
    CONNECTIONS.enter(ssl.addr(), |connection| {
        connection.told_by.store(told_by, Ordering::Relaxed);
        connection.history.store(history as u8, Ordering::Relaxed);
    });
}

/// What [`note_history`] noted. A connection that is cleared and used again keeps it; at worst one session stays in the
/// cache longer than it deserves.
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

/// Notes a key of the rule and name under which a living connection's handshake began.
pub fn note_beginning(ssl: *const SSL, key: u64) {
    CONNECTIONS.enter(ssl.addr(), |connection| {
        connection.began.store(key, Ordering::Relaxed);
    });
}

/// What [`note_beginning`] noted.
pub fn beginning(ssl: *const SSL) -> Option<u64> {
    let noted = CONNECTIONS.find(ssl.addr())?.began.load(Ordering::Relaxed);
    (noted != 0).then_some(noted)
}

/// Notes whether a living connection is being resumed on a session that another process may have made.
pub fn note_resumed(ssl: *const SSL, is: bool) {
    if is_resumed(ssl) != is {
        CONNECTIONS.enter(ssl.addr(), |connection| {
            connection.is_resumed.store(is, Ordering::Relaxed);
        });
    }
}

/// What [`note_resumed`] noted.
pub fn is_resumed(ssl: *const SSL) -> bool {
    !CONNECTIONS.is_empty()
        && CONNECTIONS
            .find(ssl.addr())
            .is_some_and(|connection| connection.is_resumed.load(Ordering::Relaxed))
}

/// Notes a list of groups or signature algorithms that a control command has set for a living connection.
pub fn note_list(ssl: *const SSL, command: c_int, list: &[u8]) {
    let digest = Fields::new("sslcache lists 1")
        .and(&lists(ssl).to_be_bytes())
        .and(&command.to_be_bytes())
        .and(list)
        .finish();
    let short = u64::from_be_bytes(core::array::from_fn(|byte| digest[byte]));
    CONNECTIONS.enter(ssl.addr(), |connection| {
        connection.lists.store(short | 1, Ordering::Relaxed);
    });
}

/// The first 64 bits of a digest of the lists that [`note_list`] noted, the same on every host; 0 for none. The program
/// chooses the lists, and not its clients, so nobody can look for two with one digest.
pub fn lists(ssl: *const SSL) -> u64 {
    if CONNECTIONS.is_empty() {
        return 0;
    }
    let known = CONNECTIONS.find(ssl.addr());
    known.map_or(0, |connection| connection.lists.load(Ordering::Relaxed))
}

/// Notes the options that a QUIC connection has after a call that has set or cleared some.
pub fn note_options(ssl: *const SSL, options: u64) {
    CONNECTIONS.enter(ssl.addr(), |connection| {
        connection
            .options
            .store(options | OPTIONS_NOTED, Ordering::Relaxed);
    });
}

/// What [`note_options`] noted.
fn noted_options(ssl: *const SSL) -> Option<u64> {
    if CONNECTIONS.is_empty() {
        return None;
    }
    let noted = CONNECTIONS
        .find(ssl.addr())?
        .options
        .load(Ordering::Relaxed);
    (noted != 0).then_some(noted & !OPTIONS_NOTED)
}

/// The options of a connection.
///
/// # Safety
/// * `ctx` and `ssl` are alive.
pub unsafe fn options(libssl: &Libssl, ctx: *mut SSL_CTX, ssl: *const SSL) -> u64 {
    // SAFETY: both are alive by the contract above.
    unsafe {
        if is_quic(libssl, ssl) {
            // SSL_get_options takes the lock of a QUIC connection. It has its context's options until it is given others.
            return noted_options(ssl).unwrap_or_else(|| (libssl.SSL_CTX_get_options)(ctx));
        }
        (libssl.SSL_get_options)(ssl)
    }
}

/// True if the server accepts early data and uses each ticket once.
///
/// # Safety
/// * `ctx` and `ssl` are alive.
pub unsafe fn guards_replay(libssl: &Libssl, ctx: *mut SSL_CTX, ssl: *const SSL) -> bool {
    // SAFETY: `ssl` is alive by the contract above.
    let early_data = unsafe { (libssl.SSL_get_max_early_data)(ssl) } > 0;
    // SAFETY: `ctx` and `ssl` are alive by the contract above.
    early_data && unsafe { options(libssl, ctx, ssl) } & SSL_OP_NO_ANTI_REPLAY == 0
}

/// Sets a living connection apart, so that it shares with no other process: it has a setting that no getter tells.
pub fn set_apart(ssl: *const SSL) {
    CONNECTIONS.enter(ssl.addr(), |connection| {
        connection.is_apart.store(true, Ordering::Relaxed);
    });
}

/// Copies to a connection made by SSL_dup what was set for the original alone.
pub fn copy(from: *const SSL, to: *const SSL) {
    let (lists, is_apart) = (lists(from), is_apart(from));
    if lists != 0 || is_apart {
        CONNECTIONS.enter(to.addr(), |connection| {
            connection.lists.store(lists, Ordering::Relaxed);
            connection.is_apart.store(is_apart, Ordering::Relaxed);
        });
    }
}

/// Whether a connection was set apart.
pub fn is_apart(ssl: *const SSL) -> bool {
    !CONNECTIONS.is_empty()
        && CONNECTIONS
            .find(ssl.addr())
            .is_some_and(|connection| connection.is_apart.load(Ordering::Relaxed))
}

/// How many connections were made in this process, and in its parent before the fork.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Notes that a connection is made.
pub fn begin(ssl: *const SSL) {
    forget(ssl); // an earlier connection at this address, whose end was not told
    BEGUN.fetch_add(1, Ordering::Relaxed);
}

/// How many connections were made.
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
        connection.told_by.store(0, Ordering::Relaxed);
        connection.began.store(0, Ordering::Relaxed);
        connection.is_resumed.store(false, Ordering::Relaxed);
        connection.lists.store(0, Ordering::Relaxed);
        connection.options.store(0, Ordering::Relaxed);
        connection.is_apart.store(false, Ordering::Relaxed);
    });
}

/// The context whose cache serves a connection: the one that it was made from. `None` for null.
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
    // SAFETY: the caller keeps the connection alive, and `libssl` is the one that made it.
    let ctx = unsafe { (libssl.SSL_get_SSL_CTX)(ssl) };
    (!ctx.is_null()).then_some(ctx)
}
