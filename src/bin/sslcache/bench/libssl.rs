//! The functions of libssl that the worker uses.

use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_uint, c_void};

use crate::libssl::functions;

functions! {
    /// The functions that the worker uses.
    OpenSSL_version(c_int) -> *const c_char;
    TLS_server_method() -> *const c_void;
    SSL_CTX_new(*const c_void) -> *mut c_void;
    SSL_CTX_free(*mut c_void);
    SSL_CTX_ctrl(*mut c_void, c_int, c_long, *mut c_void) -> c_long;
    SSL_CTX_add_session(*mut c_void, *mut c_void) -> c_int;
    SSL_CTX_remove_session(*mut c_void, *mut c_void) -> c_int;
    SSL_new(*mut c_void) -> *mut c_void;
    SSL_free(*mut c_void);
    SSL_version(*const c_void) -> c_int;
    SSL_has_matching_session_id(*const c_void, *const c_uchar, c_uint) -> c_int;
    SSL_SESSION_new() -> *mut c_void;
    SSL_SESSION_free(*mut c_void);
    SSL_SESSION_set1_id(*mut c_void, *const c_uchar, c_uint) -> c_int;
    SSL_SESSION_set_protocol_version(*mut c_void, c_int) -> c_int;
    SSL_SESSION_set_timeout(*mut c_void, c_long) -> c_long;
}

/// True if the libssl of this name, which is in this process, is sslcache.
pub fn is_ours(name: &CStr) -> bool {
    // SAFETY: the name is a C string, and RTLD_NOLOAD loads nothing.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
    // SAFETY: the handle is open, or null, which means the whole process; the name is a C string.
    !unsafe { libc::dlsym(handle, c"sslcache_version".as_ptr()) }.is_null()
}
