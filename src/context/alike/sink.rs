//! The receiver of the attributes that are read.

use core::ffi::{CStr, c_char, c_void};

use super::subject::Subject;
use crate::host::types::*;

/// Receives the values of which an attribute consists.
pub trait Sink {
    /// A number.
    fn number(&mut self, number: u64);
    /// Bytes, by value.
    fn bytes(&mut self, bytes: &[u8]);
    /// A certificate; null for none.
    fn certificate(&mut self, certificate: *mut X509) -> Option<()>;
    /// A revocation list; null for none.
    fn revoked(&mut self, list: *mut X509_CRL) -> Option<()>;
    /// A function; null for none.
    fn function(&mut self, function: *const c_void) -> Option<()>;
    /// An object that can only be compared by its address: it is the same in processes that inherited it by a fork, and
    /// nowhere else, on no other host either. `None` if that cannot be told.
    fn address(&mut self, address: *const c_void) -> Option<()>;
    /// The objects of a store of trusted certificates.
    fn trusted(&mut self, subject: &Subject<'_>, store: *mut X509_STORE) -> Option<()>;
    /// Begins a set: the order of the values up to `end_set` does not matter.
    fn begin_set(&mut self);
    /// Ends the set.
    fn end_set(&mut self);
}

impl dyn Sink + '_ {
    /// A C string; null for none.
    pub fn text(&mut self, text: *const c_char) {
        if text.is_null() {
            return self.bytes(b"");
        }
        // SAFETY: the string is from a getter of the host, and the subject keeps the object that owns it alive.
        self.bytes(unsafe { CStr::from_ptr(text) }.to_bytes_with_nul());
    }
}
