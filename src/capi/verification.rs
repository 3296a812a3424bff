//! Setters of how certificates are verified: parameters, callbacks and the places of authorities, as far as no getter returns
//! them. The host or its libcrypto sets them, and [`alike`](crate::context::alike) takes note.
//!
//! None of them runs code of the application.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::Relaxed;

use super::entry::hosts;
use super::setters::{note, note_apart};
use crate::context::alike::learned::{Learned, note_parameters_set};
use crate::context::registry;
use crate::host::inside::Inside;
use crate::host::types::*;
use crate::host::{images, locate};
use crate::sys::guard::{attempt, passage, quietly};

/// SSL_CTX_set_cert_verify_callback(3).
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of the type that the manual requires.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_cert_verify_callback(
    ctx: *mut SSL_CTX,
    callback: Option<AnyCallback>,
    argument: *mut c_void,
) {
    passage((), || {
        let set = hosts(ctx)?.SSL_CTX_set_cert_verify_callback?;
        let function = callback.map_or(ptr::null(), |callback| callback as *const c_void);
        // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
        unsafe {
            note(ctx, |learned| learned.set_cert_verify(function, argument));
            set(ctx, callback, argument);
        }
        Some(())
    });
}

/// Exports a setter of a verification parameter that has no getter, for a context and for a connection.
macro_rules! parameters {
    ($($(#[$doc:meta])* $of_context:ident $of_connection:ident ($value:ty) $note:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ctx` is null or a live context, and the value is as the manual requires.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $of_context(ctx: *mut SSL_CTX, value: $value) -> c_int {
            passage(0, || {
                let set = hosts(ctx)?.$of_context?;
                let learn: fn(&Learned, $value) = $note;
                // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
                unsafe {
                    note(ctx, |learned| learn(learned, value));
                    Some(Inside::enter(|| set(ctx, value)))
                }
            })
        }

        $(#[$doc])*
        ///
        /// # Safety
        /// * `ssl` is null or a live connection, and the value is as the manual requires.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $of_connection(ssl: *mut SSL, value: $value) -> c_int {
            passage(0, || {
                let set = hosts(ssl)?.$of_connection?;
                // SAFETY: the connection outlives the call; the host's function gets the caller's arguments.
                unsafe {
                    note_apart(ssl);
                    Some(Inside::enter(|| set(ssl, value)))
                }
            })
        }
    )*};
}

parameters! {
    /// SSL_CTX_set_purpose: the purpose that certificates of clients are checked for.
    SSL_CTX_set_purpose SSL_set_purpose (c_int) Learned::set_purpose;
    /// SSL_CTX_set_trust: the trust setting that certificates of clients are checked with.
    SSL_CTX_set_trust SSL_set_trust (c_int) Learned::set_trust;
    /// SSL_CTX_set1_param(3): all verification parameters at once.
    SSL_CTX_set1_param SSL_set1_param (*mut X509_VERIFY_PARAM)
        |learned, _| learned.param_untold.store(true, Relaxed);
}

/// Notes the place of authorities that a context has not read yet: a directory or a store.
///
/// # Safety
/// * `ctx` is null or a context that outlives the call, `place` null or a C string.
unsafe fn note_place(ctx: *mut SSL_CTX, kind: c_int, place: *const c_char) {
    if place.is_null() {
        return;
    }
    // SAFETY: `place` is a C string, and the context outlives the call.
    unsafe {
        let place = CStr::from_ptr(place).to_bytes();
        note(ctx, |learned| learned.add_place(kind, place));
    }
}

/// The kinds of such places.
const DIRECTORY: c_int = 1;
const STORE: c_int = 2;

/// SSL_CTX_load_verify_locations(3).
///
/// # Safety
/// * `ctx` is a live context; `file` and `directory` are null or C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_load_verify_locations(
    ctx: *mut SSL_CTX,
    file: *const c_char,
    directory: *const c_char,
) -> c_int {
    passage(0, || {
        let load = hosts(ctx)?.SSL_CTX_load_verify_locations?;
        // SAFETY: the context outlives the call, and `directory` is null or a C string; the host's function gets the
        // caller's arguments.
        unsafe {
            note_place(ctx, DIRECTORY, directory);
            Some(Inside::enter(|| load(ctx, file, directory)))
        }
    })
}

/// Exports functions that add a place where a context looks for authorities.
macro_rules! places {
    ($($(#[$doc:meta])* $name:ident $kind:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ctx` is a live context; `place` is null or a C string.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(ctx: *mut SSL_CTX, place: *const c_char) -> c_int {
            passage(0, || {
                let load = hosts(ctx)?.$name?;
                // SAFETY: the context outlives the call, and `place` is null or a C string; the host's function gets the
                // caller's arguments.
                unsafe {
                    note_place(ctx, $kind, place);
                    Some(Inside::enter(|| load(ctx, place)))
                }
            })
        }
    )*};
}

places! {
    /// SSL_CTX_load_verify_dir(3).
    SSL_CTX_load_verify_dir DIRECTORY;
    /// SSL_CTX_load_verify_store(3).
    SSL_CTX_load_verify_store STORE;
}

/// Exports functions that add the places where libcrypto looks for authorities by default.
macro_rules! default_places {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ctx` is a live context.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(ctx: *mut SSL_CTX) -> c_int {
            passage(0, || {
                let load = hosts(ctx)?.$name?;
                // SAFETY: the context outlives the call; the host's function gets the caller's argument.
                unsafe {
                    note_place(ctx, DIRECTORY, c"".as_ptr());
                    Some(Inside::enter(|| load(ctx)))
                }
            })
        }
    )*};
}

default_places! {
    /// SSL_CTX_set_default_verify_paths(3).
    SSL_CTX_set_default_verify_paths;
    /// SSL_CTX_set_default_verify_dir(3).
    SSL_CTX_set_default_verify_dir;
    /// SSL_CTX_set_default_verify_store(3).
    SSL_CTX_set_default_verify_store;
}

/// The libcrypto function of a name that sslcache exports: the one that the caller would have reached without it.
fn libcryptos(name: &CStr) -> Option<NonNull<c_void>> {
    quietly(|| {
        images::symbol_for_caller(name)
            .or_else(|| images::symbol_behind_us(name))
            .or_else(|| locate::hosts().find_map(|host| host.symbol(name)))
            .or_else(|| images::symbol_of_libcrypto(name))
    })
}

/// Exports setters of libcrypto's. `$note` takes note before libcrypto's function is called.
macro_rules! libcrypto {
    ($($(#[$doc:meta])* $name:ident ($object:ident: $type:ty, $value:ident: $of:ty) $note:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * The arguments are objects of the caller's libcrypto, and are as the manual requires.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name($object: $type, $value: $of) -> c_int {
            type Setter = unsafe extern "C-unwind" fn($type, $of) -> c_int;
            passage(0, || {
                $note;
                let name = concat!(stringify!($name), "\0");
                let set = libcryptos(CStr::from_bytes_with_nul(name.as_bytes()).ok()?)?;
                // SAFETY: libcrypto's function of this name has this type, and gets the caller's arguments.
                Some(unsafe { mem::transmute::<NonNull<c_void>, Setter>(set)($object, $value) })
            })
        }
    )*};
}

libcrypto! {
    /// X509_VERIFY_PARAM_set_purpose(3).
    X509_VERIFY_PARAM_set_purpose(param: *mut X509_VERIFY_PARAM, purpose: c_int)
        note_parameter(param, |learned| learned.set_purpose(purpose));
    /// X509_VERIFY_PARAM_set_trust(3).
    X509_VERIFY_PARAM_set_trust(param: *mut X509_VERIFY_PARAM, trust: c_int)
        note_parameter(param, |learned| learned.set_trust(trust));
    /// X509_STORE_set_purpose(3).
    X509_STORE_set_purpose(store: *mut X509_STORE, purpose: c_int) note_parameters_set();
    /// X509_STORE_set_trust(3).
    X509_STORE_set_trust(store: *mut X509_STORE, trust: c_int) note_parameters_set();
    /// X509_STORE_set1_param(3).
    X509_STORE_set1_param(store: *mut X509_STORE, param: *const X509_VERIFY_PARAM)
        note_parameters_set();
}

/// Notes a value that is set in the parameters of a context. If `param` belongs to none, sslcache cannot know where the value
/// will be used, and notes that.
fn note_parameter(param: *mut X509_VERIFY_PARAM, note: impl Fn(&Learned)) {
    if Inside::is() {
        return; // a setter of libssl's calls, which was noted
    }
    let mut is_known = false;
    attempt(|| {
        registry::each(|ctx, context| {
            let get = context.host.traits.SSL_CTX_get0_param;
            // SAFETY: the registry holds only live contexts. This one may be ending, with its parameters freed: their address
            // is compared, and nothing is read.
            if !context.is_ending() && get.is_some_and(|get| unsafe { get(ctx) } == param) {
                note(&context.alike.learned);
                is_known = true;
            }
        });
        Some(())
    });
    if !is_known {
        note_parameters_set();
    }
}
