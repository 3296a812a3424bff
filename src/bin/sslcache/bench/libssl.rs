//! The functions of a libssl that is loaded at run time: the host's, or ours in front of it.

#![allow(non_snake_case)] // the fields are the C functions

use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_uint, c_void};

/// Declares each function once: its type and how it is found.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions that the worker uses.
        #[derive(Clone, Copy)]
        pub struct Libssl { $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl Libssl {
            /// Loads the libssl.so.3 that any program would find.
            pub fn load() -> Result<Self, String> {
                // SAFETY: the name is a C string. The library is never unloaded.
                let handle = unsafe { libc::dlopen(c"libssl.so.3".as_ptr(), libc::RTLD_NOW) };
                if handle.is_null() {
                    return Err(last_error());
                }
                Ok(Self { $($name: {
                    let name = concat!(stringify!($name), "\0");
                    // SAFETY: the handle is open, and the name is a C string.
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
    // SAFETY: dlerror has no preconditions.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return "libssl.so.3 cannot be loaded".to_owned();
    }
    // SAFETY: dlerror has returned a C string, which stays valid until the next call.
    unsafe { CStr::from_ptr(message) }
        .to_string_lossy()
        .into_owned()
}

/// True if sslcache is in this process.
pub fn is_ours() -> bool {
    // SAFETY: the name is a C string, and RTLD_NOLOAD loads nothing.
    let handle =
        unsafe { libc::dlopen(c"libssl.so.3".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
    // SAFETY: the handle is open, or null, which means the whole process; the name is a C string.
    !unsafe { libc::dlsym(handle, c"sslcache_version".as_ptr()) }.is_null()
}
