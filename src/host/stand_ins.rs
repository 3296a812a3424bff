//! What stands in for the functions that OpenSSL 1.1.1 lacks, and what leads to them on hosts that have them.
//!
//! 1.1.1 has no library contexts: all its objects are of one, which gets an address that no other has.

use core::ffi::{c_char, c_int};
use core::ptr;

use super::table::{Libssl, Traits};
use super::types::*;

/// Its address is the only library context of a host that has none.
static THE_ONLY_ONE: u8 = 0;

impl Libssl {
    /// SSL_CTX_new_ex with `TLS_method`. SSL_CTX_new makes the same context on a host without library contexts.
    ///
    /// # Safety
    /// * `libctx` is null or alive, `propq` is null or a C string.
    pub(super) unsafe fn new_context(
        &self,
        libctx: *mut OSSL_LIB_CTX,
        propq: *const c_char,
    ) -> *mut SSL_CTX {
        // SAFETY: TLS_method returns a method of the same library; by the contract above `libctx` is null or alive, and `propq`
        // is null or a C string.
        unsafe {
            let method = (self.TLS_method)();
            match self.SSL_CTX_new_ex {
                Some(new) => new(libctx, propq, method),
                None => (self.SSL_CTX_new)(method),
            }
        }
    }

    /// Makes `libctx` this thread's default library context, unless it is null. Returns the former one.
    ///
    /// # Safety
    /// * `libctx` is null or alive.
    pub unsafe fn set_library_context(&self, libctx: *mut OSSL_LIB_CTX) -> *mut OSSL_LIB_CTX {
        match self.OSSL_LIB_CTX_set0_default {
            // SAFETY: `libctx` is null or alive by the contract above.
            Some(set) => unsafe { set(libctx) },
            None => the_only_one(),
        }
    }

    /// The default library context of threads that have set none.
    pub fn global_library_context(&self) -> *mut OSSL_LIB_CTX {
        match self.OSSL_LIB_CTX_get0_global_default {
            // SAFETY: the function takes no argument.
            Some(get) => unsafe { get() },
            None => the_only_one(),
        }
    }
}

fn the_only_one() -> *mut OSSL_LIB_CTX {
    ptr::from_ref(&THE_ONLY_ONE).cast_mut().cast()
}

impl Traits {
    /// Whether the peer of a connection has shown a certificate; `None` if no function tells.
    ///
    /// # Safety
    /// * `ssl` is a live connection.
    pub unsafe fn has_peer_certificate(&self, ssl: *const SSL) -> Option<bool> {
        if let Some(get) = self.SSL_get0_peer_certificate {
            // SAFETY: the connection is alive; the certificate is only compared with null.
            return Some(!unsafe { get(ssl) }.is_null());
        }
        let free = self.X509_free?;
        // SAFETY: the connection is alive; the reference that 1.1.1 gives away is released, if it is one.
        unsafe {
            let certificate = self.SSL_get_peer_certificate?(ssl);
            free(certificate);
            Some(!certificate.is_null())
        }
    }

    /// Whether getters tell the names, the e-mail address and the addresses that a certificate has to have.
    pub fn tell_names(&self) -> bool {
        self.X509_VERIFY_PARAM_get0_host.is_some()
            && self.X509_VERIFY_PARAM_get0_email.is_some()
            && self.X509_VERIFY_PARAM_get1_ip_asc.is_some()
    }
}

/// The length of a buffer for functions of 1.1.1, which take an int.
pub(super) fn int_of(len: usize) -> Option<c_int> {
    c_int::try_from(len).ok()
}
