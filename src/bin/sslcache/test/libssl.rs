//! The functions of libssl, and of the libcrypto below it, that a client needs.

use std::ffi::{c_char, c_int, c_long, c_uchar, c_uint, c_ulong, c_void};

use crate::libssl::functions;

functions! {
    /// The functions of a client.
    OpenSSL_version(c_int) -> *const c_char;
    ERR_clear_error();
    ERR_peek_error() -> c_ulong;
    ERR_reason_error_string(c_ulong) -> *const c_char;
    TLS_client_method() -> *const c_void;
    SSL_CTX_new(*const c_void) -> *mut c_void;
    SSL_CTX_free(*mut c_void);
    SSL_CTX_ctrl(*mut c_void, c_int, c_long, *mut c_void) -> c_long;
    SSL_CTX_set_options(*mut c_void, u64) -> u64;
    SSL_CTX_set_security_level(*mut c_void, c_int);
    SSL_new(*mut c_void) -> *mut c_void;
    SSL_free(*mut c_void);
    SSL_set_fd(*mut c_void, c_int) -> c_int;
    SSL_ctrl(*mut c_void, c_int, c_long, *mut c_void) -> c_long;
    SSL_set_session(*mut c_void, *mut c_void) -> c_int;
    SSL_connect(*mut c_void) -> c_int;
    SSL_read(*mut c_void, *mut c_void, c_int) -> c_int;
    SSL_write_early_data(*mut c_void, *const c_void, usize, *mut usize) -> c_int;
    SSL_get_early_data_status(*const c_void) -> c_int;
    SSL_get_error(*const c_void, c_int) -> c_int;
    SSL_session_reused(*const c_void) -> c_int;
    SSL_get1_session(*mut c_void) -> *mut c_void;
    SSL_shutdown(*mut c_void) -> c_int;
    SSL_SESSION_free(*mut c_void);
    SSL_SESSION_get_id(*const c_void, *mut c_uint) -> *const c_uchar;
    SSL_SESSION_get0_ticket(*const c_void, *mut *const c_uchar, *mut usize);
    SSL_SESSION_get_ticket_lifetime_hint(*const c_void) -> c_ulong;
    SSL_SESSION_get_max_early_data(*const c_void) -> u32;
    SSL_SESSION_is_resumable(*const c_void) -> c_int;
}
