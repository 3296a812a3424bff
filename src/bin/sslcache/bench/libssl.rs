//! The functions of a libssl that is loaded as this runs: the host's, or ours in front of it.

#![allow(non_snake_case)] // the fields are the C functions

use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_uint, c_void};

/// Declares the functions once: their types, and how they are found.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// All that is used.
        #[derive(Clone, Copy)]
        pub struct Libssl { $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl Libssl {
            /// Loads libssl.so.3 as any program would.
            pub fn load() -> Result<Self, String> {
                // SAFETY: a C string. The library stays for as long as we do.
                let handle = unsafe { libc::dlopen(c"libssl.so.3".as_ptr(), libc::RTLD_NOW) };
                if handle.is_null() {
                    return Err(last_error());
                }
                Ok(Self { $($name: {
                    let name = concat!(stringify!($name), "\0");
                    // SAFETY: an open handle and a C string.
                    let found = unsafe { libc::dlsym(handle, name.as_ptr().cast()) };
                    if found.is_null() {
                        return Err(last_error());
                    }
                    // SAFETY: the function of this name has this type in C.
                    unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(found) }
                },)* })
            }
        }
    };
}

functions! {
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

fn last_error() -> String {
    // SAFETY: the loader's own message, until the next call of it.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return "libssl.so.3 cannot be loaded".to_owned();
    }
    // SAFETY: a C string, as the manual says.
    unsafe { CStr::from_ptr(message) }
        .to_string_lossy()
        .into_owned()
}

/// Whether sslcache is in this process.
pub fn is_ours() -> bool {
    // SAFETY: a C string; nothing is loaded by this.
    let handle =
        unsafe { libc::dlopen(c"libssl.so.3".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
    // SAFETY: an open handle, or null, which means all; and a C string.
    !unsafe { libc::dlsym(handle, c"sslcache_version".as_ptr()) }.is_null()
}
