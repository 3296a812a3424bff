//! The server name that a client sends. libssl asks for a session before SSL_get_servername tells the name, but the
//! ClientHello has it already.

use core::ffi::CStr;
use core::{ptr, slice};

use smallvec::SmallVec;

use crate::host::abi::{TLSEXT_NAMETYPE_host_name, TLSEXT_TYPE_server_name};
use crate::host::table::Traits;
use crate::host::types::SSL;

/// A server name, empty if the client sent none. Upper and lower case are kept, because programs may tell them apart.
pub type Name = SmallVec<[u8; 64]>;

/// The name in the ClientHello that is being handled; `None` if it cannot be told.
///
/// # Safety
/// * `ssl` is a connection inside the handling of its ClientHello.
pub unsafe fn asked_for(traits: &Traits, ssl: *mut SSL) -> Option<Name> {
    let get = traits.SSL_client_hello_get0_ext?;
    let (mut extension, mut len) = (ptr::null(), 0);
    // SAFETY: the connection is inside the handling of its ClientHello, where the function may be called.
    let found = unsafe { get(ssl, TLSEXT_TYPE_server_name, &mut extension, &mut len) };
    if found != 1 {
        return Some(Name::new());
    }
    // SAFETY: the host has found `len` bytes there, in the ClientHello, which lives until it has been handled.
    host_name_of(unsafe { slice::from_raw_parts(extension, len) })
}

/// The name that a connection was made for; `None` if it cannot be told.
///
/// # Safety
/// * `ssl` is a connection, alive during the call, whose ClientHello has been handled.
pub unsafe fn made_for(traits: &Traits, ssl: *mut SSL) -> Option<Name> {
    // SAFETY: the caller keeps the connection alive.
    let name = unsafe { traits.SSL_get_servername?(ssl, TLSEXT_NAMETYPE_host_name) };
    if name.is_null() {
        return Some(Name::new());
    }
    // SAFETY: the connection owns this C string, which is copied here.
    Some(unsafe { CStr::from_ptr(name) }.to_bytes().into())
}

/// The first host name of a server_name extension (RFC 6066, section 3), the only one that libssl takes.
fn host_name_of(extension: &[u8]) -> Option<Name> {
    let (list, rest) = vector(extension)?;
    let (&kind, entry) = list.split_first()?;
    let (name, _) = vector(entry)?;
    (rest.is_empty() && kind == 0 && !name.is_empty() && !name.contains(&0)).then(|| name.into())
}

/// Splits a vector of TLS, a length of two bytes and as many bytes, from what follows it.
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*len).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_name_is_read_as_libssl_reads_it() {
        let read = |bytes: &[u8]| host_name_of(bytes).map(|name| name.to_vec());
        assert_eq!(read(b"\0\x06\0\0\x03A.b"), Some(b"A.b".to_vec()));
        for wrong in [
            &b""[..],
            b"\0\0",
            b"\0\x06\x01\0\x03a.b",
            b"\0\x06\0\0\x04a.b",
            b"\0\x07\0\0\x03a.b",
            b"\0\x06\0\0\x03a\0b",
            b"\0\x03\0\0\0",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
