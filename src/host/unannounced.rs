//! Sessions that the application was never told of: made of what another process has put into the memory that they
//! share. Nobody gives back by the remove callback what it has not kept by the new one.

use core::ffi::{c_int, c_long, c_void};
use core::ptr;

use once_cell::race::OnceBox;

use super::abi::CRYPTO_EX_INDEX_SSL_SESSION;
use super::session::SessionRef;
use super::table::{Host, Libssl};
use super::types::CRYPTO_EX_DATA;

/// The index of a session's ex_data under which such a one is marked; registered with the first.
#[derive(Default)]
pub struct Unannounced(OnceBox<c_int>);

/// What stands there: an address that nobody follows.
fn mark() -> *mut c_void {
    static MARK: u8 = 0;
    ptr::from_ref(&MARK).cast_mut().cast()
}

impl Unannounced {
    fn index(&self, libssl: &Libssl) -> Option<c_int> {
        let register = || {
            // SAFETY: the callback has the type of libcrypto's.
            let index = unsafe {
                (libssl.CRYPTO_get_ex_new_index)(
                    CRYPTO_EX_INDEX_SSL_SESSION,
                    0,
                    ptr::null_mut(),
                    None,
                    Some(session_copied),
                    None,
                )
            };
            (index > 0).then(|| Box::new(index)).ok_or(())
        };
        self.0.get_or_try_init(register).ok().copied()
    }
}

impl SessionRef {
    /// Notes that the application was not told of this session, which was just made; `false` without memory.
    pub fn set_unannounced(&self, host: &Host) -> bool {
        let libssl = self.libssl();
        let set = || {
            let index = host.unannounced.index(libssl)?;
            // SAFETY: we own a reference, and the index is ours.
            let set = unsafe { (libssl.SSL_SESSION_set_ex_data)(self.as_ptr(), index, mark()) };
            (set == 1).then_some(())
        };
        libssl.without_errors(set).is_some()
    }

    /// Whether the application was not told of this session.
    #[inline]
    pub fn is_unannounced(&self, host: &Host) -> bool {
        let Some(&index) = host.unannounced.0.get() else {
            return false;
        };
        // SAFETY: we own a reference; nobody follows the answer.
        let noted = unsafe { (self.libssl().SSL_SESSION_get_ex_data)(self.as_ptr(), index) };
        noted == mark()
    }

    /// Notes that the application has this session from now on.
    #[inline]
    pub fn set_announced(&self, host: &Host) {
        if self.is_unannounced(host)
            && let Some(&index) = host.unannounced.0.get()
        {
            // SAFETY: we own a reference. The place is there, so no memory is needed.
            unsafe {
                (self.libssl().SSL_SESSION_set_ex_data)(self.as_ptr(), index, ptr::null_mut())
            };
        }
    }
}

/// Whether what stands in a session's ex_data is the application's own.
pub(super) fn is_application_data(data: *mut c_void) -> bool {
    !data.is_null() && data != mark()
}

/// A session that is made of another one, for the next ticket, is the application's to be told of.
unsafe extern "C-unwind" fn session_copied(
    _: *mut CRYPTO_EX_DATA,
    _: *const CRYPTO_EX_DATA,
    value: *mut *mut c_void,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) -> c_int {
    // SAFETY: libcrypto passes a place for what to put there.
    unsafe { *value = ptr::null_mut() };
    1
}
