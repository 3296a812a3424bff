//! Setters whose value no getter of libssl returns: the host sets it, and [`alike`](crate::context::alike) takes note. Their
//! like for the verification of certificates are in [`verification`](super::verification).
//!
//! None of them runs code of the application.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::sync::atomic::Ordering::Relaxed;
use core::{mem, ptr, slice};

use smallvec::SmallVec;

use super::attach::{Early, attached, is_making};
use super::entry::{Object, hosts};
use super::host_callbacks;
use crate::context::alike::learned::{Learned, note_set_early};
use crate::context::connections::{self, session_context, set_apart};
use crate::context::known::met;
use crate::host::abi::*;
use crate::host::connection::is_quic;
use crate::host::types::*;
use crate::sys::guard::{attempt, passage};

type CertCallbackFunction = unsafe extern "C-unwind" fn(*mut SSL, *mut c_void) -> c_int;

/// Notes something with a context, if it is attached.
///
/// # Safety
/// * `ctx` is null or a context that outlives the call.
pub unsafe fn note(ctx: *mut SSL_CTX, note: impl FnOnce(&Learned)) {
    // SAFETY: the context outlives the call.
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

/// Sets a connection apart, if its context is attached.
///
/// # Safety
/// * `ssl` is null or a connection that outlives the call.
pub unsafe fn note_apart(ssl: *mut SSL) {
    // SAFETY: the connection outlives the call, and holds a reference to its context.
    let context = unsafe { session_context(ssl).and_then(|ctx| attached(ctx)) };
    if context.is_some() {
        attempt(|| {
            set_apart(ssl);
            Some(())
        });
    }
}

/// SSL_CTX_set_cert_cb(3). The callback may put a connection under another rule after libssl has asked for its session.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of the type that the manual requires.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_cert_cb(
    ctx: *mut SSL_CTX,
    callback: Option<AnyCallback>,
    argument: *mut c_void,
) {
    passage((), || {
        if callback.is_some() {
            // Never taken back: connections that exist keep a callback that the context drops.
            let learn = |learned: &Learned| learned.has_cert_callback.store(true, Relaxed);
            // SAFETY: the context outlives the call.
            unsafe { note(ctx, learn) };
        }
        let set = hosts(ctx)?.SSL_CTX_set_cert_cb?;
        // SAFETY: the context outlives the call, and `callback` is of the type that the manual requires. The host gets the
        // caller's arguments, or a function of ours of that type with the argument that it reads.
        unsafe {
            let kept = callback
                .zip(attached(ctx))
                .and_then(|(callback, context)| context.keep_cert_callback(callback, argument));
            match kept {
                Some(kept) => {
                    let ours = host_callbacks::on_cert as CertCallbackFunction;
                    let ours = mem::transmute::<CertCallbackFunction, AnyCallback>(ours);
                    set(ctx, Some(ours), kept);
                }
                None => set(ctx, callback, argument),
            }
        }
        Some(())
    });
}

/// SSL_set_cert_cb(3): like SSL_CTX_set_cert_cb, for one connection.
///
/// # Safety
/// * `ssl` is null or a live connection; `callback` is null or a function of the type that the manual requires.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set_cert_cb(
    ssl: *mut SSL,
    callback: Option<AnyCallback>,
    argument: *mut c_void,
) {
    passage((), || {
        // SAFETY: the connection outlives the call, and holds a reference to its context; the host's function gets the
        // caller's arguments.
        unsafe {
            if callback.is_some() {
                if let Some(ctx) = session_context(ssl) {
                    note(ctx, |learned| {
                        learned.has_cert_callback.store(true, Relaxed)
                    });
                }
                // The rule that the callback leads to holds for this connection, not for others of its name.
                note_apart(ssl);
            }
            hosts(ssl)?.SSL_set_cert_cb?(ssl, callback, argument);
        }
        Some(())
    });
}

/// SSL_CTX_set_alpn_select_cb(3). The callback may put a connection under another rule.
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
        let set = hosts(ctx)?.SSL_CTX_set_alpn_select_cb?;
        // SAFETY: the context outlives the call.
        let in_place = match unsafe { attached(ctx) } {
            Some(context) => {
                context.alpn_callback.set(callback);
                callback.map(|_| host_callbacks::on_alpn as AlpnCallback)
            }
            None => callback,
        };
        // SAFETY: the host's function gets the caller's arguments, or a callback of ours of the same type.
        unsafe { set(ctx, in_place, argument) };
        Some(())
    });
}

/// SSL_CTX_set_not_resumable_session_callback(3). libssl calls it in the process that makes a session, so sessions stay in
/// their process.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of the type that the manual requires.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_not_resumable_session_callback(
    ctx: *mut SSL_CTX,
    callback: Option<AnyCallback>,
) {
    passage((), || {
        let set = hosts(ctx)?.SSL_CTX_set_not_resumable_session_callback?;
        // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
        unsafe {
            if callback.is_some() {
                note(ctx, |learned| learned.may_refuse.store(true, Relaxed));
            }
            set(ctx, callback);
        }
        Some(())
    });
}

/// SSL_set_not_resumable_session_callback(3): likewise, for one connection.
///
/// # Safety
/// * `ssl` is null or a live connection; `callback` is null or a function of the type that the manual requires.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set_not_resumable_session_callback(
    ssl: *mut SSL,
    callback: Option<AnyCallback>,
) {
    passage((), || {
        let set = hosts(ssl)?.SSL_set_not_resumable_session_callback?;
        // SAFETY: the connection outlives the call; the host's function gets the caller's arguments.
        unsafe {
            if callback.is_some() {
                note_apart(ssl);
            }
            set(ssl, callback);
        }
        Some(())
    });
}

/// SSL_dup(3): the copy gets the notes of the original, too.
///
/// # Safety
/// * `ssl` is a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_dup(ssl: *mut SSL) -> *mut SSL {
    passage(ptr::null_mut(), || {
        // SAFETY: the host's function gets the caller's argument.
        let copy = unsafe { hosts(ssl)?.SSL_dup?(ssl) };
        if !copy.is_null() {
            attempt(|| {
                connections::copy(ssl, copy);
                Some(())
            });
        }
        Some(copy)
    })
}

/// SSL_CTX_set0_security_ex_data(3). The data can only be compared by its address.
///
/// # Safety
/// * `ctx` is a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set0_security_ex_data(
    ctx: *mut SSL_CTX,
    data: *mut c_void,
) {
    passage((), || {
        let set = hosts(ctx)?.SSL_CTX_set0_security_ex_data?;
        // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
        unsafe {
            note(ctx, Learned::note_address);
            set(ctx, data);
        }
        Some(())
    });
}

/// SSL_CTX_set_ex_data(3). What a verify callback finds there after a fork is this process's alone.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_ex_data(
    ctx: *mut SSL_CTX,
    index: c_int,
    data: *mut c_void,
) -> c_int {
    passage(0, || {
        let set = hosts(ctx)?.SSL_CTX_set_ex_data?;
        // SAFETY: the context is alive during the call, and what is kept for it as long.
        if let Some(context) = unsafe { met(ctx) }.filter(|context| context.has_forked()) {
            context.alike.learned.note_own_data();
        }
        // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
        Some(unsafe { set(ctx, index, data) })
    })
}

/// SSL_set0_security_ex_data(3). The data cannot be compared.
///
/// # Safety
/// * `ssl` is a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_set0_security_ex_data(ssl: *mut SSL, data: *mut c_void) {
    passage((), || {
        let set = hosts(ssl)?.SSL_set0_security_ex_data?;
        // SAFETY: the connection outlives the call; the host's function gets the caller's arguments.
        unsafe {
            if !data.is_null() {
                note_apart(ssl);
            }
            set(ssl, data);
        }
        Some(())
    });
}

/// Exports a setter by which clients may be known without a certificate, for a context and for a connection. It does not
/// tell which clients these are, so sessions stay in their process.
macro_rules! secrets {
    ($($(#[$doc:meta])* $of_context:ident $of_connection:ident ($value:ty) $(-> $answer:ty)?;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ctx` is null or a live context, and the value is as the manual requires.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $of_context(ctx: *mut SSL_CTX, value: $value) $(-> $answer)? {
            passage(Default::default(), || {
                let set = hosts(ctx)?.$of_context?;
                // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
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
        /// * `ssl` is null or a live connection, and the value is as the manual requires.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $of_connection(ssl: *mut SSL, value: $value) $(-> $answer)? {
            passage(Default::default(), || {
                let set = hosts(ssl)?.$of_connection?;
                // SAFETY: the connection outlives the call; the host's function gets the caller's arguments.
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
    /// SSL_CTX_set_psk_server_callback(3).
    SSL_CTX_set_psk_server_callback SSL_set_psk_server_callback (Option<AnyCallback>);
    /// SSL_CTX_set_psk_find_session_callback(3).
    SSL_CTX_set_psk_find_session_callback SSL_set_psk_find_session_callback (Option<AnyCallback>);
    /// SSL_CTX_use_psk_identity_hint(3).
    SSL_CTX_use_psk_identity_hint SSL_use_psk_identity_hint (*const c_char) -> c_int;
}

/// SSL_CTX_set_generate_session_id(3). The application's generator takes the place of ours, by whose ids the hosts of a fleet
/// know their sessions: from then on its sessions stay on this host. Null brings ours back.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of the type that the manual requires.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_generate_session_id(
    ctx: *mut SSL_CTX,
    callback: Option<GenerateSessionId>,
) -> c_int {
    passage(0, || {
        let set = hosts(ctx)?.SSL_CTX_set_generate_session_id?;
        let is_own = callback.is_some();
        // SAFETY: the context outlives the call.
        let callback = match unsafe { attached(ctx) } {
            Some(context) => {
                context.sharing.has_own_ids.store(is_own, Relaxed);
                callback.or_else(|| host_callbacks::generator_of(context))
            }
            None => {
                Early::note(ctx, |early| early.has_generator(is_own));
                callback
            }
        };
        // SAFETY: the context outlives the call; the host's function gets a callback of its type.
        Some(unsafe { set(ctx, callback) })
    })
}

/// SSL_CTX_set_srp_username_callback(3). It does not tell which users it knows, so sessions stay in their process.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of the type that the manual requires.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_srp_username_callback(
    ctx: *mut SSL_CTX,
    callback: Option<AnyCallback>,
) -> c_int {
    passage(0, || {
        let set = hosts(ctx)?.SSL_CTX_set_srp_username_callback?;
        // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
        unsafe {
            if callback.is_some() {
                note(ctx, Learned::note_secrets);
            }
            Some(set(ctx, callback))
        }
    })
}

/// SSL_ctrl(3). The groups and the signature algorithms of a connection have no getter.
///
/// # Safety
/// * The arguments are as the manual requires for the command.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_ctrl(
    ssl: *mut SSL,
    command: c_int,
    argument: c_long,
    pointer: *mut c_void,
) -> c_long {
    passage(0, || {
        let ctrl = hosts(ssl)?.SSL_ctrl?;
        // SAFETY: the host's function gets the caller's arguments.
        let answer = unsafe { ctrl(ssl, command, argument, pointer) };
        // SAFETY: the arguments are as the manual requires for the command.
        if let Some(list) = unsafe { list_of(command, argument, pointer) }
            && answer == 1
        {
            attempt(|| {
                connections::note_list(ssl, command, &list);
                Some(())
            });
        }
        Some(answer)
    })
}

/// Exports a function that changes the options of a connection and returns all. Those of a QUIC connection cannot be asked for
/// in a callback, so they are noted here.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ssl` is null or a live connection.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(ssl: *mut SSL, options: u64) -> u64 {
            passage(0, || {
                let host = ssl.host()?;
                // SAFETY: the host's function gets the caller's arguments.
                let all = unsafe { host.passthrough.$name?(ssl, options) };
                if let Ok(libssl) = &host.libssl
                    && !ssl.is_null()
                    // SAFETY: the connection outlives the call, and is of this host.
                    && unsafe { is_quic(libssl, ssl) }
                {
                    attempt(|| {
                        connections::note_options(ssl, all);
                        Some(())
                    });
                }
                Some(all)
            })
        }
    )*};
}

options! {
    /// SSL_set_options(3).
    SSL_set_options;
    /// SSL_clear_options(3).
    SSL_clear_options;
}

/// The list of groups or signature algorithms that a control command sets: its text, or its numbers as four bytes each, the
/// highest first. It has no getter.
///
/// # Safety
/// * The arguments are as the manual requires for the command.
pub unsafe fn list_of(
    command: c_int,
    argument: c_long,
    pointer: *mut c_void,
) -> Option<SmallVec<[u8; 64]>> {
    if pointer.is_null() {
        return None;
    }
    match command {
        SSL_CTRL_SET_GROUPS_LIST | SSL_CTRL_SET_SIGALGS_LIST | SSL_CTRL_SET_CLIENT_SIGALGS_LIST => {
            // SAFETY: these commands take a C string.
            Some(unsafe { CStr::from_ptr(pointer.cast()) }.to_bytes().into())
        }
        SSL_CTRL_SET_GROUPS | SSL_CTRL_SET_SIGALGS | SSL_CTRL_SET_CLIENT_SIGALGS => {
            let number = usize::try_from(argument).ok()?;
            // SAFETY: these commands take an array of `argument` ints.
            let list = unsafe { slice::from_raw_parts(pointer.cast::<c_int>(), number) };
            Some(
                list.iter()
                    .flat_map(|number| number.to_be_bytes())
                    .collect(),
            )
        }
        _ => None,
    }
}
