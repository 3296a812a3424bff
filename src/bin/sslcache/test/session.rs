//! A session as a client holds it, and what can be read from it.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::slice;

use super::libssl::Libssl;

/// The name of a ticket key: the beginning of a ticket in libssl's format (RFC 5077, section 4).
pub type KeyName = [u8; 16];

/// SSL_MAX_SSL_SESSION_ID_LENGTH: the longest session id, and so the longest ticket that is one.
const ID_BYTES: usize = 32;

/// How the server recognises the session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By a session id of TLS 1.2.
    Id,
    /// By a ticket that is so short that the session must be in the server.
    StatefulTicket,
    /// By a ticket with the session in it.
    StatelessTicket,
}

/// A reference to an SSL_SESSION.
pub struct Session<'a> {
    libssl: &'a Libssl,
    raw: NonNull<c_void>,
}

impl<'a> Session<'a> {
    /// Takes over a reference.
    ///
    /// # Safety
    /// * `raw` is null or an SSL_SESSION of this library, and the reference is the caller's to give.
    pub unsafe fn from_raw(libssl: &'a Libssl, raw: *mut c_void) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { libssl, raw })
    }

    pub fn as_ptr(&self) -> *mut c_void {
        self.raw.as_ptr()
    }

    fn id(&self) -> &[u8] {
        let mut length = 0;
        // SAFETY: this object holds a reference to the session, and its id lives as long as the session.
        unsafe {
            let id = (self.libssl.SSL_SESSION_get_id)(self.as_ptr(), &raw mut length);
            bytes(id, usize::try_from(length).unwrap_or(0))
        }
    }

    fn ticket(&self) -> &[u8] {
        let (mut ticket, mut length) = (ptr::null(), 0);
        // SAFETY: as for `id`; a ticket is not changed once it is there.
        unsafe {
            (self.libssl.SSL_SESSION_get0_ticket)(self.as_ptr(), &raw mut ticket, &raw mut length);
            bytes(ticket, length)
        }
    }

    /// The kind of session; `None` if there is nothing that could be offered.
    pub fn kind(&self) -> Option<Kind> {
        // SAFETY: this object holds a reference to the session.
        if unsafe { (self.libssl.SSL_SESSION_is_resumable)(self.as_ptr()) } == 0 {
            return None;
        }
        match self.ticket().len() {
            0 => (!self.id().is_empty()).then_some(Kind::Id),
            1..=ID_BYTES => Some(Kind::StatefulTicket),
            _ => Some(Kind::StatelessTicket),
        }
    }

    /// The first bytes of a stateless ticket.
    pub fn key_name(&self) -> Option<KeyName> {
        match self.kind()? {
            Kind::StatelessTicket => self.ticket().first_chunk().copied(),
            Kind::Id | Kind::StatefulTicket => None,
        }
    }

    /// The lifetime that the server has told with the ticket. It tells none with an id.
    pub fn lifetime_secs(&self) -> Option<u64> {
        // SAFETY: this object holds a reference to the session.
        let hint = unsafe { (self.libssl.SSL_SESSION_get_ticket_lifetime_hint)(self.as_ptr()) };
        (!self.ticket().is_empty()).then_some(hint)
    }

    /// The bytes of early data that the server accepts with this session.
    pub fn max_early_data(&self) -> u32 {
        // SAFETY: this object holds a reference to the session.
        unsafe { (self.libssl.SSL_SESSION_get_max_early_data)(self.as_ptr()) }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // SAFETY: the reference is this object's own.
        unsafe { (self.libssl.SSL_SESSION_free)(self.as_ptr()) };
    }
}

/// # Safety
/// * `start` is null or points to `length` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const u8, length: usize) -> &'a [u8] {
    match start.is_null() {
        true => &[],
        // SAFETY: the caller's promise.
        false => unsafe { slice::from_raw_parts(start, length) },
    }
}
