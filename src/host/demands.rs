//! Whether verification parameters demand a name, an e-mail address or an address of a certificate, on hosts that have no
//! getters for these.
//!
//! A certificate that has no name at all is verified by a copy of the parameters. Whatever is wrong with it is overlooked, and
//! the verification ends after the look at names: the last error is that a name is missing if and only if one is demanded.
//! No function of the program takes part: store, certificate and callbacks are made here. It takes 6 µs.

use core::cell::Cell;
use core::ffi::c_int;
use core::ptr;

use super::abi::*;
use super::table::Verification;
use super::types::*;

/// The objects of one verification. Each is freed at the end, as a store that threads share has a lock that a fork may
/// leave held for ever.
struct Nobody<'a> {
    functions: &'a Verification,
    certificate: *mut X509,
    store: *mut X509_STORE,
    verification: *mut X509_STORE_CTX,
}

impl Drop for Nobody<'_> {
    fn drop(&mut self) {
        // SAFETY: each is null, which these functions ignore, or was made by `of` and has no other owner.
        unsafe {
            (self.functions.X509_STORE_CTX_free)(self.verification);
            (self.functions.X509_STORE_free)(self.store);
            (self.functions.X509_free)(self.certificate);
        }
    }
}

thread_local! {
    /// Whether this thread's verification has come past the names.
    static IS_PAST: Cell<bool> = const { Cell::new(false) };
}

/// Goes on, whatever is wrong.
unsafe extern "C-unwind" fn overlook(_: c_int, _: *mut X509_STORE_CTX) -> c_int {
    1
}

/// In place of the look at revocations, which comes after the one at names. Ends the verification.
unsafe extern "C-unwind" fn end(_: *mut X509_STORE_CTX) -> c_int {
    IS_PAST.set(true);
    0
}

impl Verification {
    /// Whether a certificate has to have a name, an e-mail address or an address to meet these parameters; `None` if that
    /// cannot be told.
    ///
    /// # Safety
    /// * `param` is alive during the call.
    pub unsafe fn demand_a_name(&self, param: *const X509_VERIFY_PARAM) -> Option<bool> {
        // SAFETY: these functions take no arguments.
        let nobody = unsafe {
            Nobody {
                functions: self,
                certificate: (self.X509_new)(),
                store: (self.X509_STORE_new)(),
                verification: (self.X509_STORE_CTX_new)(),
            }
        };
        let (certificate, verification) = (nobody.certificate, nobody.verification);
        if certificate.is_null() || nobody.store.is_null() || verification.is_null() {
            return None;
        }
        IS_PAST.set(false);
        // SAFETY: the three objects are alive and used by this thread alone. They keep the functions of this file, which
        // have the types of the setters, and the caller keeps `param` alive, which is copied.
        let error = unsafe {
            (self.X509_STORE_set_check_revocation)(nobody.store, Some(end));
            let no_others = ptr::null_mut();
            if (self.X509_STORE_CTX_init)(verification, nobody.store, certificate, no_others) != 1 {
                return None;
            }
            (self.X509_STORE_CTX_set_verify_cb)(verification, Some(overlook));
            let copy = (self.X509_STORE_CTX_get0_param)(verification);
            if (self.X509_VERIFY_PARAM_set1)(copy, param) != 1 {
                return None;
            }
            (self.X509_verify_cert)(verification);
            (self.X509_STORE_CTX_get_error)(verification)
        };
        let is_of_a_name = [
            X509_V_ERR_HOSTNAME_MISMATCH,
            X509_V_ERR_EMAIL_MISMATCH,
            X509_V_ERR_IP_ADDRESS_MISMATCH,
        ]
        .contains(&error);
        IS_PAST.get().then_some(is_of_a_name)
    }
}
