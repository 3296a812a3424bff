//! The host's functions, resolved.
//!
//! One build serves every OpenSSL from 1.1.1 on: a function that a host lacks is noticed when it is resolved, not at link
//! time. [`Passthrough`] holds the host's own version of each function that sslcache exports, present or not, so that a
//! context whose cache is not replaced gets the host's behaviour. [`Libssl`] holds the functions that replacing a cache needs:
//! a host that lacks one of the required ones is left alone, and what 1.1.1 lacks is optional, with a
//! stand-in in `stand_ins`.

#![allow(non_snake_case, missing_docs)] // the fields are the C functions, documented in their manual pages

use core::ffi::{CStr, c_void};
use core::ptr::{self, NonNull};

use super::types::*;
use libc::{c_char, c_int, c_long, c_uchar, c_uint, c_ulong, time_t};

/// A function's address by name, or nothing.
pub(super) type Lookup<'a> = &'a dyn Fn(&CStr) -> Option<NonNull<c_void>>;

macro_rules! c_name {
    ($name:ident) => {
        match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => unreachable!(), // a Rust identifier holds no NUL
        }
    };
}

macro_rules! function {
    (($($arg:ty),*) $(-> $ret:ty)?) => { unsafe extern "C-unwind" fn($($arg),*) $(-> $ret)? };
}

/// Declares a table of functions once: its type, and how it is resolved.
macro_rules! functions {
    ($(#[$doc:meta])* optional $table:ident { $($name:ident $args:tt $(-> $ret:ty)?;)* }) => {
        $(#[$doc])*
        pub struct $table { $(pub $name: Option<function!($args $(-> $ret)?)>,)* }
        impl $table {
            /// # Safety
            /// * `lookup` answers each name with libssl's or libcrypto's function of that name.
            pub(super) unsafe fn resolve(lookup: Lookup<'_>) -> Self {
                Self { $($name: lookup(c_name!($name)).map(|address| {
                    // SAFETY: `lookup` answers with the function of this name, whose type in the C header is this one.
                    unsafe { core::mem::transmute::<NonNull<c_void>, function!($args $(-> $ret)?)>(address) }
                }),)* }
            }
        }
    };
    ($(#[$doc:meta])* required $table:ident { $($name:ident $args:tt $(-> $ret:ty)?;)* }
     $(optional { $($newer:ident $newer_args:tt $(-> $newer_ret:ty)?;)* })?) => {
        $(#[$doc])*
        pub struct $table {
            $(pub $name: function!($args $(-> $ret)?),)*
            $($(pub $newer: Option<function!($newer_args $(-> $newer_ret)?)>,)*)?
        }
        impl $table {
            /// # Safety
            /// * `lookup` answers each name with libssl's or libcrypto's function of that name.
            pub(super) unsafe fn resolve(lookup: Lookup<'_>) -> Result<Self, &'static CStr> {
                Ok(Self { $($name: {
                    let address = lookup(c_name!($name)).ok_or(c_name!($name))?;
                    // SAFETY: `lookup` answers with the function of this name, whose type in the C header is this one.
                    unsafe { core::mem::transmute::<NonNull<c_void>, function!($args $(-> $ret)?)>(address) }
                },)*
                $($($newer: lookup(c_name!($newer)).map(|address| {
                    // SAFETY: `lookup` answers with the function of this name, whose type in the C header is this one.
                    unsafe {
                        core::mem::transmute::<NonNull<c_void>, function!($newer_args $(-> $newer_ret)?)>(address)
                    }
                }),)*)? })
            }
        }
    };
}

/// `CRYPTO_malloc_fn`
pub type Malloc = unsafe extern "C-unwind" fn(usize, *const c_char, c_int) -> *mut c_void;
/// `CRYPTO_realloc_fn`
pub type Realloc =
    unsafe extern "C-unwind" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void;
/// `CRYPTO_free_fn`
pub type Free = unsafe extern "C-unwind" fn(*mut c_void, *const c_char, c_int);
/// Compares two entries of an `OPENSSL_LHASH`.
pub type LhCompare = unsafe extern "C-unwind" fn(*const c_void, *const c_void) -> c_int;
/// Hashes an entry of an `OPENSSL_LHASH`.
pub type LhHash = unsafe extern "C-unwind" fn(*const c_void) -> c_ulong;
/// Visits an entry of an `OPENSSL_LHASH`.
pub type LhVisit = unsafe extern "C-unwind" fn(*mut c_void);
/// Visits an entry of an `OPENSSL_LHASH` with an argument.
pub type LhVisitArg = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void);
/// Calls an [`LhHash`]: 3.3 and later call each function of a table through such a thunk.
pub type LhHashThunk = unsafe extern "C-unwind" fn(*const c_void, LhHash) -> c_ulong;
/// Calls an [`LhCompare`].
pub type LhCompareThunk =
    unsafe extern "C-unwind" fn(*const c_void, *const c_void, LhCompare) -> c_int;
/// Calls an [`LhVisit`].
pub type LhVisitThunk = unsafe extern "C-unwind" fn(*mut c_void, LhVisit);
/// Calls an [`LhVisitArg`].
pub type LhVisitArgThunk = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, LhVisitArg);

/// `CRYPTO_EX_new` and `CRYPTO_EX_free`
pub type ExDataFunction = unsafe extern "C-unwind" fn(
    *mut c_void,
    *mut c_void,
    *mut CRYPTO_EX_DATA,
    c_int,
    c_long,
    *mut c_void,
);
/// `CRYPTO_EX_dup`
pub type ExDataDup = unsafe extern "C-unwind" fn(
    *mut CRYPTO_EX_DATA,
    *const CRYPTO_EX_DATA,
    *mut *mut c_void,
    c_int,
    c_long,
    *mut c_void,
) -> c_int;

functions! {
    /// The host's own versions of the functions that sslcache exports.
    optional Passthrough {
        SSL_CTX_new(*const SSL_METHOD) -> *mut SSL_CTX;
        SSL_CTX_new_ex(*mut OSSL_LIB_CTX, *const c_char, *const SSL_METHOD) -> *mut SSL_CTX;
        SSL_CTX_ctrl(*mut SSL_CTX, c_int, c_long, *mut c_void) -> c_long;
        SSL_CTX_add_session(*mut SSL_CTX, *mut SSL_SESSION) -> c_int;
        SSL_CTX_remove_session(*mut SSL_CTX, *mut SSL_SESSION) -> c_int;
        SSL_CTX_flush_sessions(*mut SSL_CTX, c_long);
        SSL_CTX_flush_sessions_ex(*mut SSL_CTX, time_t);
        SSL_CTX_sessions(*mut SSL_CTX) -> *mut OPENSSL_LHASH;
        SSL_CTX_sess_set_new_cb(*mut SSL_CTX, Option<NewSessionCallback>);
        SSL_CTX_sess_get_new_cb(*mut SSL_CTX) -> Option<NewSessionCallback>;
        SSL_CTX_sess_set_remove_cb(*mut SSL_CTX, Option<RemoveSessionCallback>);
        SSL_CTX_sess_get_remove_cb(*mut SSL_CTX) -> Option<RemoveSessionCallback>;
        SSL_CTX_sess_set_get_cb(*mut SSL_CTX, Option<GetSessionCallback>);
        SSL_CTX_sess_get_get_cb(*mut SSL_CTX) -> Option<GetSessionCallback>;
        SSL_SESSION_set_time(*mut SSL_SESSION, c_long) -> c_long;
        SSL_SESSION_set_time_ex(*mut SSL_SESSION, time_t) -> time_t;
        SSL_SESSION_set_timeout(*mut SSL_SESSION, c_long) -> c_long;
        SSL_SESSION_set_ex_data(*mut SSL_SESSION, c_int, *mut c_void) -> c_int;
        SSL_SESSION_set1_id(*mut SSL_SESSION, *const c_uchar, c_uint) -> c_int;
        SSL_SESSION_set1_id_context(*mut SSL_SESSION, *const c_uchar, c_uint) -> c_int;
        SSL_SESSION_set1_hostname(*mut SSL_SESSION, *const c_char) -> c_int;
        SSL_SESSION_set1_alpn_selected(*mut SSL_SESSION, *const c_uchar, usize) -> c_int;
        SSL_SESSION_set1_ticket_appdata(*mut SSL_SESSION, *const c_void, usize) -> c_int;
        SSL_SESSION_set1_master_key(*mut SSL_SESSION, *const c_uchar, usize) -> c_int;
        SSL_SESSION_set_cipher(*mut SSL_SESSION, *const SSL_CIPHER) -> c_int;
        SSL_SESSION_set_protocol_version(*mut SSL_SESSION, c_int) -> c_int;
        SSL_SESSION_set_max_early_data(*mut SSL_SESSION, u32) -> c_int;
        SSL_set_SSL_CTX(*mut SSL, *mut SSL_CTX) -> *mut SSL_CTX;
        SSL_has_matching_session_id(*const SSL, *const c_uchar, c_uint) -> c_int;
        SSL_CTX_set_session_id_context(*mut SSL_CTX, *const c_uchar, c_uint) -> c_int;
        SSL_free(*mut SSL);
        SSL_clear(*mut SSL) -> c_int;
        SSL_set_session(*mut SSL, *mut SSL_SESSION) -> c_int;
        SSL_CTX_callback_ctrl(*mut SSL_CTX, c_int, Option<AnyCallback>) -> c_long;
        SSL_CTX_set_tlsext_ticket_key_evp_cb(*mut SSL_CTX, Option<TicketKeyCallback>) -> c_int;
        SSL_ctrl(*mut SSL, c_int, c_long, *mut c_void) -> c_long;
        SSL_set_options(*mut SSL, u64) -> u64;
        SSL_clear_options(*mut SSL, u64) -> u64;
        SSL_CTX_load_verify_locations(*mut SSL_CTX, *const c_char, *const c_char) -> c_int;
        SSL_CTX_load_verify_dir(*mut SSL_CTX, *const c_char) -> c_int;
        SSL_CTX_load_verify_store(*mut SSL_CTX, *const c_char) -> c_int;
        SSL_CTX_set_default_verify_paths(*mut SSL_CTX) -> c_int;
        SSL_CTX_set_default_verify_dir(*mut SSL_CTX) -> c_int;
        SSL_CTX_set_default_verify_store(*mut SSL_CTX) -> c_int;
        SSL_dup(*mut SSL) -> *mut SSL;
        SSL_CTX_set_alpn_select_cb(*mut SSL_CTX, Option<AlpnCallback>, *mut c_void);
        SSL_CTX_set_not_resumable_session_callback(*mut SSL_CTX, Option<AnyCallback>);
        SSL_set_not_resumable_session_callback(*mut SSL, Option<AnyCallback>);
        SSL_CTX_set_cert_cb(*mut SSL_CTX, Option<AnyCallback>, *mut c_void);
        SSL_CTX_set_cert_verify_callback(*mut SSL_CTX, Option<AnyCallback>, *mut c_void);
        SSL_CTX_set_psk_server_callback(*mut SSL_CTX, Option<AnyCallback>);
        SSL_CTX_set_psk_find_session_callback(*mut SSL_CTX, Option<AnyCallback>);
        SSL_CTX_use_psk_identity_hint(*mut SSL_CTX, *const c_char) -> c_int;
        SSL_CTX_set_srp_username_callback(*mut SSL_CTX, Option<AnyCallback>) -> c_int;
        SSL_CTX_set_generate_session_id(*mut SSL_CTX, Option<GenerateSessionId>) -> c_int;
        SSL_CTX_set_purpose(*mut SSL_CTX, c_int) -> c_int;
        SSL_CTX_set_trust(*mut SSL_CTX, c_int) -> c_int;
        SSL_CTX_set1_param(*mut SSL_CTX, *mut X509_VERIFY_PARAM) -> c_int;
        SSL_CTX_set0_security_ex_data(*mut SSL_CTX, *mut c_void);
        SSL_CTX_set_ex_data(*mut SSL_CTX, c_int, *mut c_void) -> c_int;
        SSL_set0_security_ex_data(*mut SSL, *mut c_void);
        SSL_set_cert_cb(*mut SSL, Option<AnyCallback>, *mut c_void);
        SSL_set_psk_server_callback(*mut SSL, Option<AnyCallback>);
        SSL_set_psk_find_session_callback(*mut SSL, Option<AnyCallback>);
        SSL_use_psk_identity_hint(*mut SSL, *const c_char) -> c_int;
        SSL_set_purpose(*mut SSL, c_int) -> c_int;
        SSL_set_trust(*mut SSL, c_int) -> c_int;
        SSL_set1_param(*mut SSL, *mut X509_VERIFY_PARAM) -> c_int;
    }
}

functions! {
    /// What taking a cache over needs; in every OpenSSL from 1.1.1 on.
    required Libssl {
        TLS_method() -> *const SSL_METHOD;
        SSL_CTX_new(*const SSL_METHOD) -> *mut SSL_CTX;
        SSL_CTX_up_ref(*mut SSL_CTX) -> c_int;
        SSL_CTX_free(*mut SSL_CTX);
        SSL_CTX_get_options(*const SSL_CTX) -> u64;
        SSL_CTX_ctrl(*mut SSL_CTX, c_int, c_long, *mut c_void) -> c_long;
        SSL_CTX_add_session(*mut SSL_CTX, *mut SSL_SESSION) -> c_int;
        SSL_CTX_remove_session(*mut SSL_CTX, *mut SSL_SESSION) -> c_int;
        SSL_CTX_flush_sessions(*mut SSL_CTX, c_long);
        SSL_CTX_sess_set_new_cb(*mut SSL_CTX, Option<NewSessionCallback>);
        SSL_CTX_sess_set_remove_cb(*mut SSL_CTX, Option<RemoveSessionCallback>);
        SSL_CTX_sess_set_get_cb(*mut SSL_CTX, Option<GetSessionCallback>);
        SSL_CTX_set_generate_session_id(*mut SSL_CTX, Option<GenerateSessionId>) -> c_int;
        SSL_get_SSL_CTX(*const SSL) -> *mut SSL_CTX;
        SSL_version(*const SSL) -> c_int;
        SSL_is_server(*const SSL) -> c_int;
        SSL_session_reused(*const SSL) -> c_int;
        SSL_get_options(*const SSL) -> u64;
        SSL_get_max_early_data(*const SSL) -> u32;
        SSL_SESSION_new() -> *mut SSL_SESSION;
        SSL_SESSION_up_ref(*mut SSL_SESSION) -> c_int;
        SSL_SESSION_free(*mut SSL_SESSION);
        SSL_SESSION_get_id(*const SSL_SESSION, *mut c_uint) -> *const c_uchar;
        SSL_SESSION_set1_id(*mut SSL_SESSION, *const c_uchar, c_uint) -> c_int;
        SSL_SESSION_get0_id_context(*const SSL_SESSION, *mut c_uint) -> *const c_uchar;
        SSL_SESSION_get_protocol_version(*const SSL_SESSION) -> c_int;
        SSL_SESSION_get_time(*const SSL_SESSION) -> c_long;
        SSL_SESSION_set_time(*mut SSL_SESSION, c_long) -> c_long;
        SSL_SESSION_get_timeout(*const SSL_SESSION) -> c_long;
        SSL_SESSION_set_timeout(*mut SSL_SESSION, c_long) -> c_long;
        SSL_SESSION_get_max_early_data(*const SSL_SESSION) -> u32;
        SSL_SESSION_is_resumable(*const SSL_SESSION) -> c_int;
        SSL_SESSION_has_ticket(*const SSL_SESSION) -> c_int;
        SSL_SESSION_get_master_key(*const SSL_SESSION, *mut c_uchar, usize) -> usize;
        SSL_SESSION_get_ex_data(*const SSL_SESSION, c_int) -> *mut c_void;
        SSL_SESSION_set_ex_data(*mut SSL_SESSION, c_int, *mut c_void) -> c_int;
        i2d_SSL_SESSION(*const SSL_SESSION, *mut *mut c_uchar) -> c_int;
        d2i_SSL_SESSION(*mut *mut SSL_SESSION, *mut *const c_uchar, c_long) -> *mut SSL_SESSION;
        CRYPTO_get_ex_new_index(
            c_int, c_long, *mut c_void, Option<ExDataFunction>, Option<ExDataDup>, Option<ExDataFunction>
        ) -> c_int;
        OPENSSL_init_crypto(u64, *const c_void) -> c_int;
        OPENSSL_init_ssl(u64, *const c_void) -> c_int;
        ERR_set_mark() -> c_int;
        ERR_pop_to_mark() -> c_int;
        OPENSSL_LH_new(Option<LhHash>, Option<LhCompare>) -> *mut OPENSSL_LHASH;
        OPENSSL_LH_insert(*mut OPENSSL_LHASH, *mut c_void) -> *mut c_void;
        OPENSSL_LH_retrieve(*mut OPENSSL_LHASH, *const c_void) -> *mut c_void;
        OPENSSL_LH_delete(*mut OPENSSL_LHASH, *const c_void) -> *mut c_void;
        OPENSSL_LH_free(*mut OPENSSL_LHASH);
        OpenSSL_version_num() -> c_ulong;
        CRYPTO_malloc(usize, *const c_char, c_int) -> *mut c_void;
        CRYPTO_get_mem_functions(*mut Option<Malloc>, *mut Option<Realloc>, *mut Option<Free>);
    }
    // From 3.0 on.
    optional {
        SSL_CTX_new_ex(*mut OSSL_LIB_CTX, *const c_char, *const SSL_METHOD) -> *mut SSL_CTX;
        OSSL_LIB_CTX_set0_default(*mut OSSL_LIB_CTX) -> *mut OSSL_LIB_CTX;
        OSSL_LIB_CTX_get0_global_default() -> *mut OSSL_LIB_CTX;
        OSSL_LIB_CTX_new() -> *mut OSSL_LIB_CTX;
        OSSL_LIB_CTX_free(*mut OSSL_LIB_CTX);
        OPENSSL_LH_flush(*mut OPENSSL_LHASH);
    }
}

functions! {
    /// Functions that tell whether two contexts may share their sessions. 1.1.1 has no getters for the names, e-mail and
    /// addresses that a certificate has to have ([`Verification`] is in their place), and its SSL_get_peer_certificate gives a reference away.
    optional Traits {
        SSL_CTX_get0_certificate(*const SSL_CTX) -> *mut X509;
        SSL_CTX_get_verify_mode(*const SSL_CTX) -> c_int;
        SSL_get_verify_mode(*const SSL) -> c_int;
        SSL_CTX_get_client_CA_list(*const SSL_CTX) -> *mut OPENSSL_STACK;
        SSL_CTX_get_cert_store(*const SSL_CTX) -> *mut X509_STORE;
        X509_STORE_get0_objects(*mut X509_STORE) -> *mut OPENSSL_STACK;
        X509_OBJECT_get0_X509(*const X509_OBJECT) -> *mut X509;
        OPENSSL_sk_num(*const OPENSSL_STACK) -> c_int;
        OPENSSL_sk_value(*const OPENSSL_STACK, c_int) -> *mut c_void;
        X509_OBJECT_get0_X509_CRL(*const X509_OBJECT) -> *mut X509_CRL;
        X509_STORE_lock(*mut X509_STORE) -> c_int;
        X509_STORE_up_ref(*mut X509_STORE) -> c_int;
        X509_STORE_free(*mut X509_STORE);
        X509_STORE_unlock(*mut X509_STORE) -> c_int;
        SSL_CTX_get0_param(*mut SSL_CTX) -> *mut X509_VERIFY_PARAM;
        X509_VERIFY_PARAM_get_flags(*const X509_VERIFY_PARAM) -> c_ulong;
        X509_VERIFY_PARAM_get_depth(*const X509_VERIFY_PARAM) -> c_int;
        SSL_CTX_get_ciphers(*const SSL_CTX) -> *mut OPENSSL_STACK;
        SSL_CIPHER_get_id(*const SSL_CIPHER) -> u32;
        SSL_CTX_get_security_level(*const SSL_CTX) -> c_int;
        SSL_SESSION_get0_peer(*mut SSL_SESSION) -> *mut X509;
        SSL_get0_peer_certificate(*const SSL) -> *mut X509;
        SSL_get_peer_certificate(*const SSL) -> *mut X509;
        SSL_SESSION_get0_hostname(*const SSL_SESSION) -> *const c_char;
        SSL_ctrl(*mut SSL, c_int, c_long, *mut c_void) -> c_long;
        SSL_get_certificate(*const SSL) -> *mut X509;
        SSL_get_ciphers(*const SSL) -> *mut OPENSSL_STACK;
        SSL_get_client_CA_list(*const SSL) -> *mut OPENSSL_STACK;
        SSL_get_rfd(*const SSL) -> c_int;
        SSL_get_security_callback(*const SSL) -> *const c_void;
        SSL_get0_security_ex_data(*const SSL) -> *const c_void;
        SSL_CTX_get0_security_ex_data(*const SSL_CTX) -> *const c_void;
        SSL_get0_CA_list(*const SSL) -> *const OPENSSL_STACK;
        SSL_CTX_get0_CA_list(*const SSL_CTX) -> *const OPENSSL_STACK;
        SSL_get_security_level(*const SSL) -> c_int;
        SSL_get_servername(*const SSL, c_int) -> *const c_char;
        SSL_get_verify_callback(*const SSL) -> *const c_void;
        SSL_get0_param(*mut SSL) -> *mut X509_VERIFY_PARAM;
        SSL_client_hello_get0_ext(*mut SSL, c_uint, *mut *const c_uchar, *mut usize) -> c_int;
        SSL_CTX_get_security_callback(*const SSL_CTX) -> *const c_void;
        SSL_CTX_get_verify_callback(*const SSL_CTX) -> *const c_void;
        X509_NAME_get0_der(*const X509_NAME, *mut *const c_uchar, *mut usize) -> c_int;
        X509_up_ref(*mut X509) -> c_int;
        X509_free(*mut X509);
        i2d_X509_AUX(*const X509, *mut *mut c_uchar) -> c_int;
        i2d_X509_CRL(*const X509_CRL, *mut *mut c_uchar) -> c_int;
        X509_CRL_up_ref(*mut X509_CRL) -> c_int;
        X509_CRL_free(*mut X509_CRL);
        X509_VERIFY_PARAM_get_auth_level(*const X509_VERIFY_PARAM) -> c_int;
        X509_VERIFY_PARAM_get_hostflags(*const X509_VERIFY_PARAM) -> c_uint;
        X509_VERIFY_PARAM_get_inh_flags(*const X509_VERIFY_PARAM) -> u32;
        X509_VERIFY_PARAM_get_time(*const X509_VERIFY_PARAM) -> time_t;
        X509_VERIFY_PARAM_get0_email(*mut X509_VERIFY_PARAM) -> *mut c_char;
        X509_VERIFY_PARAM_get0_host(*mut X509_VERIFY_PARAM, c_int) -> *mut c_char;
        X509_VERIFY_PARAM_get1_ip_asc(*mut X509_VERIFY_PARAM) -> *mut c_char;
        CRYPTO_free(*mut c_void, *const c_char, c_int);
        X509_STORE_get0_param(*const X509_STORE) -> *mut X509_VERIFY_PARAM;
        X509_STORE_get_verify(*const X509_STORE) -> *const c_void;
        X509_STORE_get_verify_cb(*const X509_STORE) -> *const c_void;
        X509_STORE_get_get_issuer(*const X509_STORE) -> *const c_void;
        X509_STORE_get_check_issued(*const X509_STORE) -> *const c_void;
        X509_STORE_get_check_revocation(*const X509_STORE) -> *const c_void;
        X509_STORE_get_get_crl(*const X509_STORE) -> *const c_void;
        X509_STORE_get_check_crl(*const X509_STORE) -> *const c_void;
        X509_STORE_get_cert_crl(*const X509_STORE) -> *const c_void;
        X509_STORE_get_check_policy(*const X509_STORE) -> *const c_void;
        X509_STORE_get_lookup_certs(*const X509_STORE) -> *const c_void;
        X509_STORE_get_lookup_crls(*const X509_STORE) -> *const c_void;
    }
}

functions! {
    /// Functions that verify a certificate, which is how [`demands`](super::demands) learns what 1.1.1 has no getters for.
    required Verification {
        X509_new() -> *mut X509;
        X509_free(*mut X509);
        X509_STORE_new() -> *mut X509_STORE;
        X509_STORE_free(*mut X509_STORE);
        X509_STORE_set_check_revocation(*mut X509_STORE, Option<VerificationStep>);
        X509_STORE_CTX_new() -> *mut X509_STORE_CTX;
        X509_STORE_CTX_free(*mut X509_STORE_CTX);
        X509_STORE_CTX_init(*mut X509_STORE_CTX, *mut X509_STORE, *mut X509, *mut OPENSSL_STACK) -> c_int;
        X509_STORE_CTX_set_verify_cb(*mut X509_STORE_CTX, Option<VerifyCallback>);
        X509_STORE_CTX_get0_param(*mut X509_STORE_CTX) -> *mut X509_VERIFY_PARAM;
        X509_STORE_CTX_get_error(*const X509_STORE_CTX) -> c_int;
        X509_VERIFY_PARAM_set1(*mut X509_VERIFY_PARAM, *const X509_VERIFY_PARAM) -> c_int;
        X509_verify_cert(*mut X509_STORE_CTX) -> c_int;
    }
}

functions! {
    /// Functions that keys of stateless tickets need, in every OpenSSL from 1.1.1 on; and those of each line of releases,
    /// for the algorithms of a ticket.
    required Ticketing {
        SSL_CTX_get_timeout(*const SSL_CTX) -> c_long;
        SSL_CTX_get_verify_mode(*const SSL_CTX) -> c_int;
        SSL_get_verify_mode(*const SSL) -> c_int;
        EVP_sha256() -> *const EVP_MD;
        HMAC(
            *const EVP_MD, *const c_void, c_int, *const c_uchar, usize, *mut c_uchar, *mut c_uint
        ) -> *mut c_uchar;
        EVP_CipherInit_ex(
            *mut EVP_CIPHER_CTX, *const EVP_CIPHER, *mut c_void, *const c_uchar, *const c_uchar, c_int
        ) -> c_int;
    }
}

functions! {
    /// The algorithms of a ticket from 3.0 on: fetched from the providers of a library context.
    required Fetched {
        SSL_CTX_set_tlsext_ticket_key_evp_cb(*mut SSL_CTX, Option<TicketKeyCallback>) -> c_int;
        RAND_bytes_ex(*mut OSSL_LIB_CTX, *mut c_uchar, usize, c_uint) -> c_int;
        RAND_priv_bytes_ex(*mut OSSL_LIB_CTX, *mut c_uchar, usize, c_uint) -> c_int;
        EVP_CIPHER_fetch(*mut OSSL_LIB_CTX, *const c_char, *const c_char) -> *mut EVP_CIPHER;
        EVP_CIPHER_free(*mut EVP_CIPHER);
        EVP_MAC_init(*mut EVP_MAC_CTX, *const c_uchar, usize, *const OSSL_PARAM) -> c_int;
        EVP_MAC_update(*mut EVP_MAC_CTX, *const c_uchar, usize) -> c_int;
    }
}

functions! {
    /// The algorithms of a ticket in 1.1.1, whose ticket-key callback gets an HMAC_CTX.
    required BuiltIn {
        SSL_CTX_callback_ctrl(*mut SSL_CTX, c_int, Option<TicketKeyCallback>) -> c_long;
        RAND_bytes(*mut c_uchar, c_int) -> c_int;
        RAND_priv_bytes(*mut c_uchar, c_int) -> c_int;
        EVP_aes_256_cbc() -> *const EVP_CIPHER;
        HMAC_Init_ex(*mut EVP_MAC_CTX, *const c_uchar, c_int, *const EVP_MD, *mut c_void) -> c_int;
        HMAC_Update(*mut EVP_MAC_CTX, *const c_uchar, usize) -> c_int;
    }
}

impl Libssl {
    /// True if OPENSSL_cleanup was called.
    pub(super) fn is_cleaned_up(&self) -> bool {
        // SAFETY: without options the call changes nothing. Programs depend on the result 0 after the clean-up, as libcrypto's
        // source says; there is no error queue any more that the call could write to.
        unsafe { (self.OPENSSL_init_crypto)(0, ptr::null()) == 0 }
    }

    /// Initialises the library, as SSL_CTX_new does first; false, with the error in the queue, where that fails.
    pub(super) fn initialise(&self) -> bool {
        // SAFETY: null asks for the settings by default; any thread may call this at any time.
        unsafe { (self.OPENSSL_init_ssl)(0, ptr::null()) == 1 }
    }

    /// Gives this thread its error queue, if it has none yet. libcrypto does so at the first use, under a lock of the whole
    /// process: a child that is forked while another thread holds it would wait for ever.
    pub fn make_error_queue(&self) {
        self.without_errors(|| ());
    }

    /// Runs `call`, which calls the host, and leaves the error queue of this thread as it was.
    pub fn without_errors<T>(&self, call: impl FnOnce() -> T) -> T {
        struct Pop<'a>(&'a Libssl);
        impl Drop for Pop<'_> {
            fn drop(&mut self) {
                // SAFETY: ERR_pop_to_mark has no preconditions; it pairs with the mark that was set below.
                unsafe { (self.0.ERR_pop_to_mark)() };
            }
        }
        // SAFETY: ERR_set_mark has no preconditions.
        unsafe { (self.ERR_set_mark)() };
        let _pop = Pop(self);
        call()
    }
}

functions! {
    /// Functions that only newer hosts have, or only older ones.
    optional Newer {
        HMAC_Update(*mut c_void, *const c_uchar, usize) -> c_int;
        X509_VERIFY_PARAM_get_purpose(*const X509_VERIFY_PARAM) -> c_int;
        SSL_get0_client_cert_type(*const SSL, *mut *mut c_uchar, *mut usize) -> c_int;
        SSL_CTX_get0_client_cert_type(*const SSL_CTX, *mut *mut c_uchar, *mut usize) -> c_int;
        d2i_SSL_SESSION_ex(
            *mut *mut SSL_SESSION, *mut *const c_uchar, c_long, *mut OSSL_LIB_CTX, *const c_char
        ) -> *mut SSL_SESSION;
        OPENSSL_LH_set_thunks(
            *mut OPENSSL_LHASH, LhHashThunk, LhCompareThunk, LhVisitThunk, LhVisitArgThunk
        ) -> *mut OPENSSL_LHASH;
    }
}
