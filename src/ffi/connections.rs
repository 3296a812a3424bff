//! What is kept with a connection: the context it was made from, where it has another one now, and what is known of its
//! client.
//!
//! Not in its ex_data: that is the program's, and a QUIC connection's is used by two threads at once. It is kept
//! [beside](crate::side_table) the connection, from the call that has something to keep until [`super::hooks`] tells that
//! the connection is freed.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use crate::cache::Standing;
use crate::host::types::{SSL, SSL_CTX};
use crate::side_table::SideTable;

/// All that is known of one connection. Nothing is ordered by it: a connection is used by one thread at a time.
#[derive(Default)]
struct Connection {
    /// Null where it has that context still.
    made_from: AtomicPtr<SSL_CTX>,
    /// What the session says of the client, that it offered in vain: a [`Standing`].
    standing: AtomicU8,
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
pub fn made_from(ssl: *const SSL) -> Option<*mut SSL_CTX> {
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
pub fn note_standing(ssl: *const SSL, standing: Standing) {
    if standing as u8 != self::standing(ssl) as u8 {
        CONNECTIONS.enter(ssl.addr(), |connection| {
            connection.standing.store(standing as u8, Ordering::Relaxed);
        });
    }
}

/// What `note_standing` noted. A connection that is cleared and used again keeps it: at worst one session stays longer
/// than it deserves.
pub fn standing(ssl: *const SSL) -> Standing {
    if CONNECTIONS.is_empty() {
        return Standing::New;
    }
    let noted = CONNECTIONS
        .find(ssl.addr())
        .map(|connection| connection.standing.load(Ordering::Relaxed));
    [Standing::Returning, Standing::Proven]
        .into_iter()
        .find(|&standing| Some(standing as u8) == noted)
        .unwrap_or(Standing::New)
}

/// Forgets a connection that is freed, or that begins at the address of one whose end was not told.
pub fn forget(ssl: *const SSL) {
    CONNECTIONS.remove(ssl.addr(), |connection| {
        connection
            .made_from
            .store(ptr::null_mut(), Ordering::Relaxed);
        connection
            .standing
            .store(Standing::New as u8, Ordering::Relaxed);
    });
}
