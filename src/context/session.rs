//! What a cache needs to know of a session: its key, its expiry, how it is used; and the time.

use core::ffi::c_long;
use core::ptr;

use crate::cache::{Expiry, Key};
use crate::host::SessionRef;

/// How a session that a client offers is used.
#[derive(Clone, Copy)]
pub enum Usage {
    /// Time and again.
    Again,
    /// Once, for the handshake brings the client another one; but the session stays.
    Once,
    /// Once and never again: it leaves the cache.
    Consumed,
}

impl Usage {
    /// Whether it leaves the cache.
    pub fn consumes(self) -> bool {
        matches!(self, Self::Consumed)
    }

    /// The same, but it stays.
    pub fn without_consuming(self) -> Self {
        match self {
            Self::Consumed => Self::Once,
            stays => stays,
        }
    }
}

/// The key of a session; `None` where it has no id.
pub fn key_of(session: &SessionRef) -> Option<Key> {
    let (id, version) = session.identity();
    if id.is_empty() {
        None
    } else {
        Key::new(id, version)
    }
}

/// The second after which libssl takes a session for expired: its time plus its timeout, or never where
/// that sum has no room in a time_t.
pub fn expiry_of(session: &SessionRef) -> Expiry {
    let (time, timeout) = session.time_and_timeout();
    match time.checked_add(timeout) {
        Some(second) if time >= 0 => Expiry::at(second),
        _ => Expiry::NEVER,
    }
}

/// The time in seconds, by the clock libssl uses.
pub fn now() -> c_long {
    // SAFETY: a null argument only asks for the result.
    unsafe { libc::time(ptr::null_mut()) }
}
