//! The host's objects, opaque, and the types of the callbacks that reach an application.

#![allow(non_camel_case_types)]

use libc::{c_int, c_uchar};

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub struct $name {
            _private: [u8; 0],
            // Neither Send, Sync nor Unpin: what is behind the pointer is the host's alone.
            _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// A connection. From 3.2 on it may be a QUIC object: never cast it.
    SSL;
    /// The context a connection is made from; owner of a session cache.
    SSL_CTX;
    /// What a client and a server remember of a handshake.
    SSL_SESSION;
    /// A protocol method.
    SSL_METHOD;
    /// A library context of libcrypto.
    OSSL_LIB_CTX;
    /// The application data of one object.
    CRYPTO_EX_DATA;
    /// libcrypto's hash table, which `SSL_CTX_sessions` hands out.
    OPENSSL_LHASH;
    /// A certificate.
    X509;
    /// A name in a certificate.
    X509_NAME;
    /// Certificates to trust.
    X509_STORE;
    /// One of them, or a revocation list.
    X509_OBJECT;
    /// libcrypto's list of anything.
    OPENSSL_STACK;
    /// A digest algorithm.
    EVP_MD;
}

/// Told of each new session; answers 1 to keep the reference that comes with it.
pub type NewSessionCallback =
    unsafe extern "C" fn(ssl: *mut SSL, session: *mut SSL_SESSION) -> c_int;

/// Told of each session that leaves the cache. Borrows the session.
pub type RemoveSessionCallback = unsafe extern "C" fn(ctx: *mut SSL_CTX, session: *mut SSL_SESSION);

/// Asked for a session that the internal cache does not have. With `*copy` left at 1 the library takes a
/// reference of its own to the result; set to 0, the callback's reference is handed over.
pub type GetSessionCallback = unsafe extern "C" fn(
    ssl: *mut SSL,
    id: *const c_uchar,
    id_len: c_int,
    copy: *mut c_int,
) -> *mut SSL_SESSION;
