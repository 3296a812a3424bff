//! Owning references to sessions.

use core::ffi::{c_int, c_long, c_uint};
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::slice;

use super::abi::SSL_MAX_SSL_SESSION_ID_LENGTH;
use super::inside::Inside;
use super::numbers::{self, MAX_HOSTS};
use super::table::Libssl;
use super::types::{SSL_CTX, SSL_SESSION};
use crate::sys::sanitizer;

impl Libssl {
    /// The id and the protocol version of a session.
    ///
    /// # Safety
    /// * `session` is a session of this library, alive for as long as the id is used.
    pub unsafe fn identity<'a>(&self, session: *const SSL_SESSION) -> (&'a [u8], c_int) {
        let mut len = 0;
        // SAFETY: `session` is alive and of this library by the contract above; `len` is a place for the length.
        let id = unsafe { (self.SSL_SESSION_get_id)(session, &mut len) };
        // SAFETY: `session` is alive and of this library by the contract above.
        let version = unsafe { (self.SSL_SESSION_get_protocol_version)(session) };
        let len = len.min(SSL_MAX_SSL_SESSION_ID_LENGTH) as usize;
        // SAFETY: SSL_SESSION_get_id returns the session's own buffer of 32 bytes, and `len` is at most 32.
        (unsafe { slice::from_raw_parts(id, len) }, version)
    }

    /// When a session was made, in seconds since the epoch, and for how many seconds it is good.
    ///
    /// # Safety
    /// * `session` is a session of this library, alive during the call.
    #[inline]
    pub unsafe fn time_and_timeout(&self, session: *const SSL_SESSION) -> (c_long, c_long) {
        // SAFETY: `session` is alive and of this library by the contract above.
        let time = unsafe { (self.SSL_SESSION_get_time)(session) };
        // SAFETY: `session` is alive and of this library by the contract above.
        let timeout = unsafe { (self.SSL_SESSION_get_timeout)(session) };
        (time, timeout)
    }

    /// Puts a session into the host's own cache, where only the host looks for it. Returns whether it was added.
    ///
    /// # Safety
    /// * `ctx` and `session` are of this library and alive during the call.
    pub unsafe fn add_to_host(&self, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) -> bool {
        // SAFETY: both are alive and of this library by the contract above. The host asks SSL_CTX_ctrl for the size of its
        // cache; if that reaches sslcache's export, `Inside` makes it answer as the host does.
        Inside::enter(|| unsafe { (self.SSL_CTX_add_session)(ctx, session) } == 1)
    }
}

/// One reference to an `SSL_SESSION`: taken by `SSL_SESSION_up_ref`, released by `SSL_SESSION_free` on drop. Two are equal
/// if they refer to the same object.
///
/// It is as long as a pointer, because there is one for each cached session: sessions are allocated and therefore aligned,
/// and the low bits of the address have room for the number of their host.
pub struct SessionRef(NonNull<SSL_SESSION>);

/// The bits of an address that hold the host's number.
const HOST_BITS: usize = 0b111;
const _: () = assert!(MAX_HOSTS == HOST_BITS + 1);

// SAFETY: libssl counts references atomically and lets any thread use and free a session.
unsafe impl Send for SessionRef {}
// SAFETY: libssl lets threads share a session; through a shared SessionRef it is only read and counted.
unsafe impl Sync for SessionRef {}

impl SessionRef {
    /// Takes another reference to `session`; `None` for null, or if libssl refuses the reference.
    ///
    /// # Safety
    /// * `session` is null or a session of the library behind `libssl`, alive during the call.
    pub unsafe fn acquire(libssl: &'static Libssl, session: *mut SSL_SESSION) -> Option<Self> {
        // SAFETY: `session` is null, or alive during this call, which is as long as the loan lasts.
        unsafe { Self::lend(libssl, session) }?.share()
    }

    /// The session without a reference of its own; `None` for null.
    ///
    /// # Safety
    /// * `session` is null or a session of the library behind `libssl`;
    /// * the caller keeps it alive for as long as the result is used.
    pub unsafe fn lend(
        libssl: &'static Libssl,
        session: *mut SSL_SESSION,
    ) -> Option<ManuallyDrop<Self>> {
        let session = NonNull::new(session)?;
        let host = numbers::number_of(libssl)?;
        let tagged = session.map_addr(|address| address | host);
        let aligned = session.addr().get() & HOST_BITS == 0;
        aligned.then(|| ManuallyDrop::new(Self(tagged)))
    }

    /// One more reference to the session; `None` where libssl refuses it.
    pub fn share(&self) -> Option<Self> {
        // SAFETY: the session is alive: `self` owns a reference, or the caller of `lend` keeps one.
        let taken = unsafe { (self.libssl().SSL_SESSION_up_ref)(self.as_ptr()) };
        (taken == 1).then_some(Self(self.0))
    }

    pub(super) fn libssl(&self) -> &'static Libssl {
        numbers::libssl_of(self.0.addr().get() & HOST_BITS)
            .expect("a host keeps the number that was asked for when the session came")
    }

    /// Takes over the caller's reference; `None` for null.
    ///
    /// # Safety
    /// * `session` is null or a session of the library behind `libssl`;
    /// * the caller owns one reference and gives it away.
    pub unsafe fn adopt(libssl: &'static Libssl, session: *mut SSL_SESSION) -> Option<Self> {
        // SAFETY: the caller's reference keeps the session alive, and belongs to the result from here on.
        unsafe { Self::lend(libssl, session) }.map(ManuallyDrop::into_inner)
    }

    /// The session, borrowed.
    pub fn as_ptr(&self) -> *mut SSL_SESSION {
        self.0.as_ptr().map_addr(|address| address & !HOST_BITS)
    }

    /// Gives the reference to the caller, which has to free it.
    pub fn into_raw(self) -> *mut SSL_SESSION {
        ManuallyDrop::new(self).as_ptr()
    }

    /// Makes a session for a host's cache that stands for no connection: its version is of no protocol, so no handshake
    /// finds it, and it never expires. `None` if there is no memory.
    pub fn sentinel(libssl: &'static Libssl) -> Option<Self> {
        const ID: &[u8] = b"sslcache sentinel";
        // SAFETY: SSL_SESSION_new has no preconditions.
        let made = unsafe { (libssl.SSL_SESSION_new)() };
        // SAFETY: SSL_SESSION_new returns null or a reference that belongs to its caller.
        let session = unsafe { Self::adopt(libssl, made) }?;
        // SAFETY: the id is shorter than the 32 bytes that a session has room for.
        unsafe { (libssl.SSL_SESSION_set1_id)(session.as_ptr(), ID.as_ptr(), ID.len() as c_uint) };
        // SAFETY: `session` owns a reference.
        unsafe { (libssl.SSL_SESSION_set_timeout)(session.as_ptr(), c_long::MAX) };
        Some(session)
    }

    /// Its present id and its protocol version. The id is the session's own memory, which an application may rewrite in a
    /// callback: copy it at once.
    pub fn identity(&self) -> (&[u8], c_int) {
        // SAFETY: `self` holds a reference, so the session is alive.
        unsafe { self.libssl().identity(self.as_ptr()) }
    }

    /// When it was made, in seconds since the epoch, and for how many seconds it is good.
    pub fn time_and_timeout(&self) -> (c_long, c_long) {
        // SAFETY: `self` holds a reference, so the session is alive.
        unsafe { self.libssl().time_and_timeout(self.as_ptr()) }
    }

    /// Sets when it was made.
    pub fn set_time(&self, second: c_long) {
        // SAFETY: `self` holds a reference, so the session is alive.
        unsafe { (self.libssl().SSL_SESSION_set_time)(self.as_ptr(), second) };
    }

    /// Whether its client may send early data.
    pub fn allows_early_data(&self) -> bool {
        // SAFETY: `self` holds a reference, so the session is alive.
        unsafe { (self.libssl().SSL_SESSION_get_max_early_data)(self.as_ptr()) > 0 }
    }

    /// True if it was marked not resumable. SSL_SESSION_is_resumable also returns 0 for a session without an id and without
    /// a ticket, which is not meant here.
    pub fn is_marked_not_resumable(&self) -> bool {
        let (libssl, session) = (self.libssl(), self.as_ptr());
        // SAFETY: `self` holds a reference, so the session is alive.
        if unsafe { (libssl.SSL_SESSION_is_resumable)(session) } == 1 {
            return false;
        }
        // SAFETY: `self` holds a reference, so the session is alive.
        let has_ticket: c_int = unsafe { (libssl.SSL_SESSION_has_ticket)(session) };
        !self.identity().0.is_empty() || has_ticket == 1
    }
}

impl Clone for SessionRef {
    fn clone(&self) -> Self {
        // SAFETY: `self` holds a reference, so the session is alive; libssl refuses a reference only for an object that has
        // none left.
        unsafe { (self.libssl().SSL_SESSION_up_ref)(self.as_ptr()) };
        Self(self.0)
    }
}

impl Drop for SessionRef {
    fn drop(&mut self) {
        sanitizer::releases(self.as_ptr().cast());
        // SAFETY: `self` owns one reference, which is released only here.
        unsafe { (self.libssl().SSL_SESSION_free)(self.as_ptr()) };
    }
}

impl PartialEq for SessionRef {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
