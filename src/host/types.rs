//! The host's objects, opaque, and the types of the callbacks that reach an application.

#![allow(non_camel_case_types)]

use libc::{c_char, c_int, c_uchar, c_uint, c_void};

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub struct $name {
            _private: [u8; 0],
            // Neither Send, Sync nor Unpin: only the host knows what is behind the pointer.
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
    /// A list of revoked certificates.
    X509_CRL;
    /// How certificates are verified.
    X509_VERIFY_PARAM;
    /// The verification of one certificate.
    X509_STORE_CTX;
    /// A cipher suite.
    SSL_CIPHER;
    /// A digest algorithm.
    EVP_MD;
    /// A cipher algorithm.
    EVP_CIPHER;
    /// A cipher at work.
    EVP_CIPHER_CTX;
    /// A message authentication code at work.
    EVP_MAC_CTX;
}

/// What an algorithm is told, by name; the last of a list has none.
#[repr(C)]
pub struct OSSL_PARAM {
    /// The name.
    pub key: *const c_char,
    /// What kind of value it is: OSSL_PARAM_*.
    pub data_type: c_uint,
    /// The value.
    pub data: *mut c_void,
    /// Its length in bytes.
    pub data_size: usize,
    /// For the algorithm's answer, if it is asked.
    pub return_size: usize,
}

/// Told of each new session; answers 1 to keep the reference that comes with it.
pub type NewSessionCallback =
    unsafe extern "C-unwind" fn(ssl: *mut SSL, session: *mut SSL_SESSION) -> c_int;

/// Told of each session that leaves the cache. Borrows the session.
pub type RemoveSessionCallback =
    unsafe extern "C-unwind" fn(ctx: *mut SSL_CTX, session: *mut SSL_SESSION);

/// `GEN_SESSION_CB`, which makes a session id of up to `len` bytes.
pub type GenerateSessionId =
    unsafe extern "C-unwind" fn(ssl: *mut SSL, id: *mut c_uchar, len: *mut c_uint) -> c_int;

/// Asked for a session that the internal cache does not have. With `*copy` left at 1 the library takes a
/// reference of its own to the result; set to 0, the callback's reference is handed over.
pub type GetSessionCallback = unsafe extern "C-unwind" fn(
    ssl: *mut SSL,
    id: *const c_uchar,
    id_len: c_int,
    copy: *mut c_int,
) -> *mut SSL_SESSION;

/// Makes a cipher and a code ready for a ticket: to be made where `makes` is 1, writing the key's name and an
/// initialisation vector; to be opened where it is 0. Answers 0 without a key, 2 where the client is to have a new
/// ticket, else 1.
pub type TicketKeyCallback = unsafe extern "C-unwind" fn(
    ssl: *mut SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut EVP_CIPHER_CTX,
    code: *mut EVP_MAC_CTX,
    makes: c_int,
) -> c_int;

/// The same of hosts before 3.0, with an HMAC in place of the code.
pub type HmacTicketKeyCallback = unsafe extern "C-unwind" fn(
    ssl: *mut SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut EVP_CIPHER_CTX,
    code: *mut c_void,
    makes: c_int,
) -> c_int;

/// The callback of SSL_CTX_set_tlsext_servername_callback: it may give the connection another context.
pub type ServernameCallback =
    unsafe extern "C-unwind" fn(ssl: *mut SSL, alert: *mut c_int, argument: *mut c_void) -> c_int;

/// The callback of SSL_CTX_set_alpn_select_cb.
pub type AlpnCallback = unsafe extern "C-unwind" fn(
    ssl: *mut SSL,
    chosen: *mut *const c_uchar,
    chosen_len: *mut c_uchar,
    offered: *const c_uchar,
    offered_len: c_uint,
    argument: *mut c_void,
) -> c_int;

/// A step of the verification of a certificate; answers 1 to go on.
pub type VerificationStep = unsafe extern "C-unwind" fn(verification: *mut X509_STORE_CTX) -> c_int;

/// Told of each result of a verification, good (1) or not (0); answers 1 to go on.
pub type VerifyCallback =
    unsafe extern "C-unwind" fn(is_good: c_int, verification: *mut X509_STORE_CTX) -> c_int;

/// A callback of SSL_CTX_callback_ctrl: what it takes and answers goes by the command.
pub type AnyCallback = unsafe extern "C-unwind" fn();
