//! Setters of libssl whose value no getter tells: the host's own, and [`alike`](crate::context::alike) takes note.
//!
//! None of them runs code of the application.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;
use core::{mem, slice};

use super::attach::{attached, is_making};
use super::host_callbacks;
use crate::context::alike::learned::{Learned, note_parameters_set, note_set_early};
use crate::context::connections::{self, session_context, set_apart};
use crate::context::known::host_of;
use crate::context::registry;
use crate::host::abi::*;
use crate::host::inside::Inside;
use crate::host::types::*;
use crate::host::{images, locate, owners};
use crate::sys::guard::{attempt, passage, quietly};

type CertCallbackFunction = unsafe extern "C-unwind" fn(*mut SSL, *mut c_void) -> c_int;

/// Notes something with a context, if it is in our care.
///
/// # Safety
/// * `ctx` is null or a live context.
unsafe fn note(ctx: *mut SSL_CTX, note: impl FnOnce(&Learned)) {
    // SAFETY: the caller's contract.
    let Some(context) = (unsafe { attached(ctx) }) else {
        if is_making() {
            note_set_early();
        }
        return;
    };
    attempt(|| {
        note(&context.alike.learned);
        Some(())
    });
}

/// Sets a connection apart, if its context is in our care.
///
/// # Safety
/// * `ssl` is null or a live connection.
unsafe fn note_apart(ssl: *mut SSL) {
    // SAFETY: the caller's contract; the connection holds a reference to its context.
    unsafe {
        session_context(ssl)
            .and_then(|ctx| attached(ctx))
            .inspect(|_| {
                attempt(|| {
                    set_apart(ssl);
                    Some(())
                });
            });
    }
}

/// SSL_CTX_set_cert_cb(3). The callback may change a connection's rules after libssl has asked for its session.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of the type that the manual says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_cert_cb(
    ctx: *mut SSL_CTX,
    callback: Option<AnyCallback>,
    argument: *mut c_void,
) {
    passage((), || {
        // SAFETY: the caller's contract.
        unsafe {
            // For good: connections that were made before keep it.
            if callback.is_some() {
                note(ctx, |learned| {
                    learned.has_cert_callback.store(true, Relaxed)
                });
            }
            let set = host_of(ctx)?.passthrough.SSL_CTX_set_cert_cb?;
            let kept = callback
                .zip(attached(ctx))
                .and_then(|(callback, context)| context.keep_cert_callback(callback, argument));
            match kept {
                Some(kept) => {
                    let ours = host_callbacks::on_cert as CertCallbackFunction;
                    set(
                        ctx,
                        Some(mem::transmute::<CertCallbackFunction, AnyCallback>(ours)),
                        kept,
                    );
                }
                None => set(ctx, callback, argument),
            }
        }
        Some(())
    });
}

/// SSL_set_cert_cb(3): as SSL_CTX_set_cert_cb, for one connection.
///
/// # Safety
/// * `ssl` is null or a live connection; `callback` is null or a function of the type that the manual says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set_cert_cb(
    ssl: *mut SSL,
    callback: Option<AnyCallback>,
    argument: *mut c_void,
) {
    passage((), || {
        // SAFETY: the caller's contract.
        unsafe {
            if let Some(ctx) = session_context(ssl).filter(|_| callback.is_some()) {
                note(ctx, |learned| {
                    learned.has_cert_callback.store(true, Relaxed)
                });
            }
            if callback.is_some() {
                // What it makes of a name is its own, and not that of the context's other connections.
                note_apart(ssl);
            }
            owners::host_of(ssl.cast())?.passthrough.SSL_set_cert_cb?(ssl, callback, argument);
        }
        Some(())
    });
}

/// SSL_CTX_set_alpn_select_cb(3). The callback may give a connection other rules.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of this type.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_alpn_select_cb(
    ctx: *mut SSL_CTX,
    callback: Option<AlpnCallback>,
    argument: *mut c_void,
) {
    passage((), || {
        let set = host_of(ctx)?.passthrough.SSL_CTX_set_alpn_select_cb?;
        // SAFETY: the caller's contract.
        let in_place = match unsafe { attached(ctx) } {
            Some(context) => {
                context.alpn_callback.set(callback);
                callback.map(|_| host_callbacks::on_alpn as AlpnCallback)
            }
            None => callback,
        };
        // SAFETY: the caller's contract.
        unsafe { set(ctx, in_place, argument) };
        Some(())
    });
}

/// SSL_CTX_set_not_resumable_session_callback(3): it is asked where sessions are made, so they stay there.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of the type that the manual says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_not_resumable_session_callback(
    ctx: *mut SSL_CTX,
    callback: Option<AnyCallback>,
) {
    passage((), || {
        let set = host_of(ctx)?
            .passthrough
            .SSL_CTX_set_not_resumable_session_callback?;
        // SAFETY: the caller's contract.
        unsafe {
            if callback.is_some() {
                note(ctx, |learned| learned.may_refuse.store(true, Relaxed));
            }
            set(ctx, callback);
        }
        Some(())
    });
}

/// SSL_set_not_resumable_session_callback(3): likewise.
///
/// # Safety
/// * `ssl` is null or a live connection; `callback` is null or a function of the type that the manual says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set_not_resumable_session_callback(
    ssl: *mut SSL,
    callback: Option<AnyCallback>,
) {
    passage((), || {
        let set = owners::host_of(ssl.cast())?
            .passthrough
            .SSL_set_not_resumable_session_callback?;
        // SAFETY: the caller's contract.
        unsafe {
            if callback.is_some() {
                note_apart(ssl);
            }
            set(ssl, callback);
        }
        Some(())
    });
}

/// SSL_dup(3): the copy has what no getter tells of the original.
///
/// # Safety
/// * `ssl` is a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_dup(ssl: *mut SSL) -> *mut SSL {
    passage(core::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let copy = unsafe { owners::host_of(ssl.cast())?.passthrough.SSL_dup?(ssl) };
        if !copy.is_null() {
            attempt(|| {
                connections::copy(ssl, copy);
                Some(())
            });
        }
        Some(copy)
    })
}

/// SSL_CTX_set_cert_verify_callback(3).
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of the type that the manual says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_cert_verify_callback(
    ctx: *mut SSL_CTX,
    callback: Option<AnyCallback>,
    argument: *mut c_void,
) {
    passage((), || {
        let set = host_of(ctx)?.passthrough.SSL_CTX_set_cert_verify_callback?;
        let function = callback.map_or(core::ptr::null(), |callback| callback as *const c_void);
        // SAFETY: the caller's contract.
        unsafe {
            note(ctx, |learned| learned.set_cert_verify(function, argument));
            set(ctx, callback, argument);
        }
        Some(())
    });
}

/// SSL_CTX_set0_security_ex_data(3).
///
/// # Safety
/// * `ctx` is a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set0_security_ex_data(
    ctx: *mut SSL_CTX,
    data: *mut c_void,
) {
    passage((), || {
        let set = host_of(ctx)?.passthrough.SSL_CTX_set0_security_ex_data?;
        // SAFETY: the context is alive during the call.
        unsafe {
            note(ctx, Learned::note_address);
            set(ctx, data);
        }
        Some(())
    });
}

/// SSL_set0_security_ex_data(3). What lies there cannot be compared.
///
/// # Safety
/// * `ssl` is a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set0_security_ex_data(ssl: *mut SSL, data: *mut c_void) {
    passage((), || {
        let set = owners::host_of(ssl.cast())?
            .passthrough
            .SSL_set0_security_ex_data?;
        // SAFETY: the connection is alive during the call.
        unsafe {
            if !data.is_null() {
                note_apart(ssl);
            }
            set(ssl, data);
        }
        Some(())
    });
}

/// Exports a setter by which clients may do without a certificate, for a context and for a connection.
macro_rules! secrets {
    ($($(#[$doc:meta])* $of_context:ident $of_connection:ident ($value:ty) $(-> $answer:ty)?;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ctx` is null or a live context, and the value what the manual says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $of_context(ctx: *mut SSL_CTX, value: $value) $(-> $answer)? {
            passage(Default::default(), || {
                let set = host_of(ctx)?.passthrough.$of_context?;
                // SAFETY: the caller's contract.
                unsafe {
                    if value.has_value() {
                        note(ctx, Learned::note_secrets);
                    }
                    Some(set(ctx, value))
                }
            })
        }

        $(#[$doc])*
        ///
        /// # Safety
        /// * `ssl` is null or a live connection, and the value what the manual says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $of_connection(ssl: *mut SSL, value: $value) $(-> $answer)? {
            passage(Default::default(), || {
                let set = owners::host_of(ssl.cast())?.passthrough.$of_connection?;
                // SAFETY: the caller's contract.
                unsafe {
                    if value.has_value() {
                        note_apart(ssl);
                    }
                    Some(set(ssl, value))
                }
            })
        }
    )*};
}

/// A value that may be null.
trait Nullable {
    fn has_value(&self) -> bool;
}

impl Nullable for Option<AnyCallback> {
    fn has_value(&self) -> bool {
        self.is_some()
    }
}

impl Nullable for *const c_char {
    fn has_value(&self) -> bool {
        !self.is_null()
    }
}

secrets! {
    /// SSL_CTX_set_psk_server_callback(3): which keys it knows is not told, so sessions stay in their process.
    SSL_CTX_set_psk_server_callback SSL_set_psk_server_callback (Option<AnyCallback>);
    /// SSL_CTX_set_psk_find_session_callback(3): likewise.
    SSL_CTX_set_psk_find_session_callback SSL_set_psk_find_session_callback (Option<AnyCallback>);
    /// SSL_CTX_use_psk_identity_hint(3): likewise.
    SSL_CTX_use_psk_identity_hint SSL_use_psk_identity_hint (*const c_char) -> c_int;
}

/// SSL_CTX_set_srp_username_callback(3): which users it knows is not told, so sessions stay in their process.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of the type that the manual says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_srp_username_callback(
    ctx: *mut SSL_CTX,
    callback: Option<AnyCallback>,
) -> c_int {
    passage(0, || {
        let set = host_of(ctx)?
            .passthrough
            .SSL_CTX_set_srp_username_callback?;
        // SAFETY: the caller's contract.
        unsafe {
            if callback.is_some() {
                note(ctx, Learned::note_secrets);
            }
            Some(set(ctx, callback))
        }
    })
}

/// Exports a setter of a verification parameter that has no getter, for a context and for a connection.
macro_rules! parameters {
    ($($(#[$doc:meta])* $of_context:ident $of_connection:ident ($value:ty) $note:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ctx` is null or a live context, and the value what the manual says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $of_context(ctx: *mut SSL_CTX, value: $value) -> c_int {
            passage(0, || {
                let set = host_of(ctx)?.passthrough.$of_context?;
                let learn: fn(&Learned, $value) = $note;
                // SAFETY: the caller's contract.
                unsafe {
                    note(ctx, |learned| learn(learned, value));
                    Some(Inside::enter(|| set(ctx, value)))
                }
            })
        }

        $(#[$doc])*
        ///
        /// # Safety
        /// * `ssl` is null or a live connection, and the value what the manual says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $of_connection(ssl: *mut SSL, value: $value) -> c_int {
            passage(0, || {
                let set = owners::host_of(ssl.cast())?.passthrough.$of_connection?;
                // SAFETY: the caller's contract.
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
    /// SSL_CTX_set_trust: the trust setting that they are checked by.
    SSL_CTX_set_trust SSL_set_trust (c_int) Learned::set_trust;
    /// SSL_CTX_set1_param(3): all verification parameters at once.
    SSL_CTX_set1_param SSL_set1_param (*mut X509_VERIFY_PARAM)
        |learned, _| learned.param_untold.store(true, Relaxed);
}

/// SSL_ctrl(3). The groups and signature algorithms of a connection have no getter.
///
/// # Safety
/// * As the manual says of each command.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_ctrl(
    ssl: *mut SSL,
    command: c_int,
    argument: c_long,
    pointer: *mut c_void,
) -> c_long {
    passage(0, || {
        let ctrl = owners::host_of(ssl.cast())?.passthrough.SSL_ctrl?;
        // SAFETY: the caller's contract.
        let answer = unsafe { ctrl(ssl, command, argument, pointer) };
        // SAFETY: the caller's contract.
        if let Some(list) = unsafe { list_of(command, argument, pointer) }
            && answer == 1
        {
            attempt(|| {
                connections::note_list(ssl, command, list);
                Some(())
            });
        }
        Some(answer)
    })
}

/// The list that a control command sets, of groups or signature algorithms, which no getter tells.
///
/// # Safety
/// * The arguments are what the manual says of the command.
pub unsafe fn list_of<'a>(
    command: c_int,
    argument: c_long,
    pointer: *mut c_void,
) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    match command {
        SSL_CTRL_SET_GROUPS_LIST | SSL_CTRL_SET_SIGALGS_LIST | SSL_CTRL_SET_CLIENT_SIGALGS_LIST => {
            // SAFETY: a C string, by the manual.
            Some(unsafe { CStr::from_ptr(pointer.cast()) }.to_bytes())
        }
        SSL_CTRL_SET_GROUPS | SSL_CTRL_SET_SIGALGS | SSL_CTRL_SET_CLIENT_SIGALGS => {
            let number = usize::try_from(argument).ok()?;
            // SAFETY: as many ints, by the manual.
            Some(unsafe { slice::from_raw_parts(pointer.cast(), number * size_of::<c_int>()) })
        }
        _ => None,
    }
}

/// Notes where a context looks for authorities that it has not read yet: a directory or a store, by its place.
///
/// # Safety
/// * `ctx` is null or a live context, `place` null or a C string.
unsafe fn note_place(ctx: *mut SSL_CTX, number: c_int, place: *const c_char) {
    if place.is_null() {
        return;
    }
    // SAFETY: the caller's contract.
    unsafe {
        let place = CStr::from_ptr(place).to_bytes();
        note(ctx, |learned| learned.add_place(number, place));
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
        let load = host_of(ctx)?.passthrough.SSL_CTX_load_verify_locations?;
        // SAFETY: the caller's contract.
        unsafe {
            note_place(ctx, DIRECTORY, directory);
            Some(Inside::enter(|| load(ctx, file, directory)))
        }
    })
}

/// Exports a function that adds a place where a context looks for authorities.
macro_rules! places {
    ($($(#[$doc:meta])* $name:ident $number:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ctx` is a live context; `place` is null or a C string.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(ctx: *mut SSL_CTX, place: *const c_char) -> c_int {
            passage(0, || {
                let load = host_of(ctx)?.passthrough.$name?;
                // SAFETY: the caller's contract.
                unsafe {
                    note_place(ctx, $number, place);
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

/// Exports a function that adds the places where libcrypto looks for authorities by default.
macro_rules! default_places {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ctx` is a live context.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(ctx: *mut SSL_CTX) -> c_int {
            passage(0, || {
                let load = host_of(ctx)?.passthrough.$name?;
                // SAFETY: the caller's contract.
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

/// Calls libcrypto's own function of a name that we export: the one that our caller would have reached.
macro_rules! libcrypto {
    ($name:literal ($($argument:expr),*): $type:ty) => {
        quietly(|| real($name)).map(|function| {
            // SAFETY: the function of this name has this type; the arguments are the caller's own.
            unsafe { mem::transmute::<NonNull<c_void>, $type>(function)($($argument),*) }
        })
    };
}

fn real(name: &CStr) -> Option<NonNull<c_void>> {
    images::symbol_for_caller(name)
        .or_else(|| images::symbol_behind_us(name))
        .or_else(|| locate::hosts().find_map(|host| host.symbol(name)))
        .or_else(|| images::symbol_of_libcrypto(name))
}

/// X509_VERIFY_PARAM_set_purpose(3).
///
/// # Safety
/// * `param` is a set of parameters of the caller's libcrypto.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn X509_VERIFY_PARAM_set_purpose(
    param: *mut X509_VERIFY_PARAM,
    purpose: c_int,
) -> c_int {
    passage(0, || {
        note_parameter(param, |learned| learned.set_purpose(purpose));
        libcrypto!(c"X509_VERIFY_PARAM_set_purpose" (param, purpose):
            unsafe extern "C-unwind" fn(*mut X509_VERIFY_PARAM, c_int) -> c_int)
    })
}

/// X509_VERIFY_PARAM_set_trust(3).
///
/// # Safety
/// * `param` is a set of parameters of the caller's libcrypto.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn X509_VERIFY_PARAM_set_trust(
    param: *mut X509_VERIFY_PARAM,
    trust: c_int,
) -> c_int {
    passage(0, || {
        note_parameter(param, |learned| learned.set_trust(trust));
        libcrypto!(c"X509_VERIFY_PARAM_set_trust" (param, trust):
            unsafe extern "C-unwind" fn(*mut X509_VERIFY_PARAM, c_int) -> c_int)
    })
}

/// X509_STORE_set_purpose(3).
///
/// # Safety
/// * `store` is a store of the caller's libcrypto.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn X509_STORE_set_purpose(
    context: *mut X509_STORE,
    purpose: c_int,
) -> c_int {
    passage(0, || {
        note_parameters_set();
        libcrypto!(c"X509_STORE_set_purpose" (context, purpose):
            unsafe extern "C-unwind" fn(*mut X509_STORE, c_int) -> c_int)
    })
}

/// X509_STORE_set_trust(3).
///
/// # Safety
/// * `store` is a store of the caller's libcrypto.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn X509_STORE_set_trust(
    context: *mut X509_STORE,
    trust: c_int,
) -> c_int {
    passage(0, || {
        note_parameters_set();
        libcrypto!(c"X509_STORE_set_trust" (context, trust):
            unsafe extern "C-unwind" fn(*mut X509_STORE, c_int) -> c_int)
    })
}

/// X509_STORE_set1_param(3).
///
/// # Safety
/// * `store` is a store and `param` a set of parameters of the caller's libcrypto.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn X509_STORE_set1_param(
    context: *mut X509_STORE,
    param: *const X509_VERIFY_PARAM,
) -> c_int {
    passage(0, || {
        note_parameters_set();
        libcrypto!(c"X509_STORE_set1_param" (context, param):
            unsafe extern "C-unwind" fn(*mut X509_STORE, *const X509_VERIFY_PARAM) -> c_int)
    })
}

/// Notes what is set in a context's own parameters; in others it is noted that nobody can know where.
fn note_parameter(param: *mut X509_VERIFY_PARAM, note: impl Fn(&Learned)) {
    if Inside::is() {
        return; // libssl's own setter, which was noted
    }
    let mut is_known = false;
    attempt(|| {
        registry::each(|ctx, context| {
            let get = context.host.traits.SSL_CTX_get0_param;
            // SAFETY: the context is in the registry, and so alive; it may be ending, and its parameters are only compared.
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
