//! Owning references to sessions.

use core::ffi::c_int;
use core::ptr::{self, NonNull};

use super::table::Libssl;
use super::types::SSL_SESSION;

/// One reference to an `SSL_SESSION`: taken by `SSL_SESSION_up_ref`, given back by `SSL_SESSION_free` on drop.
/// Two are equal when they refer to the same object.
pub struct SessionRef {
    session: NonNull<SSL_SESSION>,
    libssl: &'static Libssl,
}

// SAFETY: libssl counts references atomically and lets any thread use and free a session.
unsafe impl Send for SessionRef {}
// SAFETY: as above; through a shared SessionRef a session is only read and counted.
unsafe impl Sync for SessionRef {}

impl SessionRef {
    /// Takes a reference of its own to `session`; `None` for null, or where libssl refuses the reference.
    ///
    /// # Safety
    /// * `session` is null or a session of the library behind `libssl`, alive during the call.
    pub unsafe fn acquire(libssl: &'static Libssl, session: *mut SSL_SESSION) -> Option<Self> {
        let session = NonNull::new(session)?;
        // SAFETY: the caller's contract.
        let taken = unsafe { (libssl.SSL_SESSION_up_ref)(session.as_ptr()) };
        (taken == 1).then_some(Self { session, libssl })
    }

    /// Becomes the owner of the caller's reference; `None` for null.
    ///
    /// # Safety
    /// * `session` is null or a session of the library behind `libssl`;
    /// * the caller owns one reference and gives it away.
    pub unsafe fn adopt(libssl: &'static Libssl, session: *mut SSL_SESSION) -> Option<Self> {
        NonNull::new(session).map(|session| Self { session, libssl })
    }

    /// The session, borrowed.
    pub fn as_ptr(&self) -> *mut SSL_SESSION {
        self.session.as_ptr()
    }

    /// Gives the reference away: whoever takes the pointer has to free it.
    pub fn into_raw(self) -> *mut SSL_SESSION {
        let session = self.session.as_ptr();
        core::mem::forget(self);
        session
    }

    /// Whether it was marked not resumable. libssl's own question also says no to a session without an id
    /// and without a ticket, which is another matter.
    pub fn is_marked_not_resumable(&self) -> bool {
        let (libssl, session) = (self.libssl, self.as_ptr());
        // SAFETY: we own a reference.
        if unsafe { (libssl.SSL_SESSION_is_resumable)(session) } == 1 {
            return false;
        }
        // SAFETY: we own a reference.
        let has_ticket: c_int = unsafe { (libssl.SSL_SESSION_has_ticket)(session) };
        let mut id_len = 0;
        // SAFETY: we own a reference.
        unsafe { (libssl.SSL_SESSION_get_id)(session, &mut id_len) };
        id_len > 0 || has_ticket == 1
    }
}

impl Clone for SessionRef {
    fn clone(&self) -> Self {
        // SAFETY: we own a reference, so the session is alive. libssl refuses a reference only for an object
        // that has none left.
        unsafe { (self.libssl.SSL_SESSION_up_ref)(self.as_ptr()) };
        Self { session: self.session, libssl: self.libssl }
    }
}

impl Drop for SessionRef {
    fn drop(&mut self) {
        // SAFETY: the reference is ours to give back, once.
        unsafe { (self.libssl.SSL_SESSION_free)(self.as_ptr()) };
    }
}

impl PartialEq for SessionRef {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.as_ptr(), other.as_ptr())
    }
}
