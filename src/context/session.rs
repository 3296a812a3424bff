//! What a cache needs to know of a session: its key, its expiry and its usage; and the clock.

use core::ffi::c_long;

use crate::cache::{Expiry, Key};
use crate::host::SessionRef;
use crate::sys::clock;

/// How a session that a client offers is used.
#[derive(Clone, Copy)]
pub enum Usage {
    /// The client may offer the session again (TLS 1.2).
    Again,
    /// The handshake gives the client another ticket, so the session is not expected again; but it stays (TLS 1.3).
    Once,
    /// The session leaves the cache: it may be used only once (early data with anti-replay).
    Consumed,
}

impl Usage {
    /// Whether the session leaves the cache.
    pub fn consumes(self) -> bool {
        matches!(self, Self::Consumed)
    }

    /// The same usage of a session that must stay in the cache.
    pub fn without_consuming(self) -> Self {
        match self {
            Self::Consumed => Self::Once,
            stays => stays,
        }
    }
}

/// The key of a session; `None` if it has no id.
#[inline]
pub fn key_of(session: &SessionRef) -> Option<Key> {
    let (id, version) = session.identity();
    Key::new(id, version)
}

/// The second after which libssl treats a session as expired: its time plus its timeout, or never if that sum does not fit
/// a time_t.
pub fn expiry_of(session: &SessionRef) -> Expiry {
    let (time, timeout) = session.time_and_timeout();
    match time.checked_add(timeout) {
        Some(second) if time >= 0 => Expiry::at(second),
        _ => Expiry::NEVER,
    }
}

/// The time in seconds, by the clock that libssl uses.
pub fn now() -> c_long {
    clock::second()
}
