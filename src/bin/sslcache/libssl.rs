//! A libssl that is loaded at run time: the host's, or ours in front of it.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;

/// A library that was loaded. It is never unloaded, so what is found in it stays valid.
#[derive(Clone, Copy)]
pub struct Library(NonNull<c_void>);

impl Library {
    /// Loads the first of these names that any program would find.
    pub fn load(names: &[&CStr]) -> Result<Self, String> {
        for name in names {
            // SAFETY: the name is a C string.
            let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
            if let Some(handle) = NonNull::new(handle) {
                return Ok(Self(handle));
            }
        }
        Err(last_error())
    }

    /// A function of the library or of one that it needs.
    pub fn find(self, name: &CStr) -> Result<NonNull<c_void>, String> {
        // SAFETY: the handle is open, and the name is a C string.
        let found = unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) };
        NonNull::new(found).ok_or_else(last_error)
    }
}

fn last_error() -> String {
    // SAFETY: dlerror has no preconditions.
    let message: *mut c_char = unsafe { libc::dlerror() };
    if message.is_null() {
        return "libssl cannot be loaded".to_owned();
    }
    // SAFETY: dlerror has returned a C string, which stays valid until the next call.
    unsafe { CStr::from_ptr(message) }
        .to_string_lossy()
        .into_owned()
}

/// Declares a struct of functions, each once: its type and how it is found.
macro_rules! functions {
    ($(#[$attribute:meta])* $($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        $(#[$attribute])*
        #[derive(Clone, Copy)]
        #[allow(non_snake_case)] // the fields are the C functions
        pub struct Libssl { $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl Libssl {
            /// Loads the first of these libraries that any program would find.
            pub fn load(names: &[&std::ffi::CStr]) -> Result<Self, String> {
                let library = $crate::libssl::Library::load(names)?;
                Ok(Self { $($name: {
                    let name = concat!(stringify!($name), "\0");
                    let name = std::ffi::CStr::from_bytes_with_nul(name.as_bytes()).unwrap_or_default();
                    let found = library.find(name)?.as_ptr();
                    type Function = unsafe extern "C" fn($($argument),*) $(-> $result)?;
                    // SAFETY: the function of this name has this type in C.
                    unsafe { std::mem::transmute::<*mut std::ffi::c_void, Function>(found) }
                },)* })
            }
        }
    };
}

pub(crate) use functions;
