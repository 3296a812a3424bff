//! What a cache needs to know of a session: its key, its expiry and its usage; and the clock.

use core::ffi::c_long;

use crate::cache::{Expiry, Key};
use crate::host::types::SSL_SESSION;
use crate::host::{Libssl, SessionRef};
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
    expiry(session.time_and_timeout())
}

/// [`key_of`] a session, as its library tells.
///
/// # Safety
/// * `session` is a session of the library behind `libssl`, alive during the call.
#[inline(always)]
pub unsafe fn key_in(libssl: &Libssl, session: *mut SSL_SESSION) -> Option<Key> {
    // SAFETY: the session is alive and of this library; the id is copied at once.
    let (id, version) = unsafe { libssl.identity(session) };
    Key::new(id, version)
}

/// [`expiry_of`] a session, as its library tells.
///
/// # Safety
/// * `session` is a session of the library behind `libssl`, alive during the call.
#[inline(always)]
pub unsafe fn expiry_in(libssl: &Libssl, session: *mut SSL_SESSION) -> Expiry {
    // SAFETY: the session is alive and of this library.
    expiry(unsafe { libssl.time_and_timeout(session) })
}

fn expiry((time, timeout): (c_long, c_long)) -> Expiry {
    match time.checked_add(timeout) {
        Some(second) if time >= 0 => Expiry::at(second),
        _ => Expiry::NEVER,
    }
}

/// The time in seconds, by the clock that libssl uses.
pub fn now() -> c_long {
    clock::second()
}
