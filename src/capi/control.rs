//! Mode, size, callbacks and counters.
//!
//! `<openssl/ssl.h>` has most of these as macros over SSL_CTX_ctrl. The manual pages document them as functions, and callers
//! without a C preprocessor need functions: both are here.

use core::ffi::{CStr, c_int, c_long, c_void};
use core::mem;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

use super::attach::{Early, attached, is_making};
use super::entry::{Object, dispatch, hosts};
use super::setters::list_of;
use super::{host_callbacks, ticket_callbacks};
use crate::context::alike::learned::note_set_early;
use crate::context::sharing::operations;
use crate::context::{Context, clearing};
use crate::host::abi::*;
use crate::host::table::Passthrough;
use crate::host::types::*;
use crate::sys::guard::passage;

/// SSL_CTX_ctrl(3): sslcache answers the session commands, the host all others.
///
/// # Safety
/// * The arguments are as the manual requires for the command.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_ctrl(
    ctx: *mut SSL_CTX,
    command: c_int,
    argument: c_long,
    pointer: *mut c_void,
) -> c_long {
    passage(0, || {
        // SAFETY: the context outlives the call.
        let context = unsafe { attached(ctx) };
        if let Some(context) = context.filter(|_| is_session_command(command)) {
            return Some(ctrl(context, ctx, command, argument));
        }
        let ctrl = hosts(ctx)?.SSL_CTX_ctrl?;
        // SAFETY: the host's function gets the caller's arguments.
        let answer = unsafe { ctrl(ctx, command, argument, pointer) };
        if is_ticket_keys_command(command) && !pointer.is_null() && answer == 1 {
            // SAFETY: the context is not null, since the host has accepted the command, and outlives the call.
            unsafe { leave_ticket_keys(ctx) };
        }
        // SAFETY: the arguments are as the manual requires for the command.
        if let Some(list) = unsafe { list_of(command, argument, pointer) }
            && answer == 1
            // SAFETY: the context outlives the call.
            && let Some(context) = unsafe { attached(ctx) }
        {
            context.alike.learned.lists.set(command, &list);
        }
        Some(answer)
    })
}

/// True if the application sets the keys of its tickets, or reads them in order to give them to others.
fn is_ticket_keys_command(command: c_int) -> bool {
    command == SSL_CTRL_SET_TLSEXT_TICKET_KEYS || command == SSL_CTRL_GET_TLSEXT_TICKET_KEYS
}

/// Leaves the tickets of a context to its application from now on.
///
/// # Safety
/// * `ctx` is a context that outlives the call.
unsafe fn leave_ticket_keys(ctx: *mut SSL_CTX) {
    // SAFETY: the context outlives the call.
    match unsafe { attached(ctx) } {
        // SAFETY: `ctx` is the SSL_CTX that `context` was found by.
        Some(context) => unsafe { ticket_callbacks::leave_ticket_keys(context, ctx) },
        None => Early::note(ctx, Early::has_ticket_keys),
    }
}

fn is_session_command(command: c_int) -> bool {
    (SSL_CTRL_SESS_NUMBER..=SSL_CTRL_SESS_CACHE_FULL).contains(&command)
        || (SSL_CTRL_SET_SESS_CACHE_SIZE..=SSL_CTRL_GET_SESS_CACHE_MODE).contains(&command)
}

/// SSL_CTX_callback_ctrl(3): the host answers. A ticket-key callback ends the sharing of ticket keys; callbacks that decide
/// which rule a connection is under are called by way of ours.
///
/// # Safety
/// * The arguments are as the manual requires for the command.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_callback_ctrl(
    ctx: *mut SSL_CTX,
    command: c_int,
    callback: Option<AnyCallback>,
) -> c_long {
    passage(0, || {
        // SAFETY: the context outlives the call.
        let context = unsafe { attached(ctx) };
        if context.is_none() && is_making() && callback.is_some() {
            note_set_early();
        }
        let in_place = context.and_then(|context| {
            // SAFETY: `ctx` is the SSL_CTX that `context` was found by; `callback` is what the command takes.
            unsafe { host_callbacks::in_place_of(context, ctx, command, callback) }
        });
        let set = hosts(ctx)?.SSL_CTX_callback_ctrl?;
        if command == SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB {
            // Before the application's is set: 1.1.1 has one place for it and for ours.
            // SAFETY: the context outlives the call.
            unsafe { leave_ticket_keys(ctx) };
        }
        // SAFETY: the host's function gets the caller's arguments, or a callback of ours of the same type.
        Some(unsafe { set(ctx, command, in_place.unwrap_or(callback)) })
    })
}

/// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): replaces our callback, also if `callback` is NULL.
///
/// # Safety
/// * `ctx` is a live context; `callback` is null or a function of this type.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_tlsext_ticket_key_evp_cb(
    ctx: *mut SSL_CTX,
    callback: Option<TicketKeyCallback>,
) -> c_int {
    passage(0, || {
        // SAFETY: the context outlives the call.
        if let Some(context) = unsafe { attached(ctx) } {
            context.forget_ticket_keys();
            if context.stand_in_front(callback) {
                return Some(1);
            }
        } else {
            Early::note(ctx, Early::has_ticket_keys);
        }
        let set = hosts(ctx)?.SSL_CTX_set_tlsext_ticket_key_evp_cb?;
        // SAFETY: the host's function gets the caller's arguments.
        Some(unsafe { set(ctx, callback) })
    })
}

/// Exports the setter and the getter of a session callback. The host has our callbacks, which call the application's.
macro_rules! callbacks {
    ($($(#[$doc:meta])* $set:ident $get:ident ($field:ident: $type:ty);)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// * `ctx` is null or a live context; `callback` is null or a function of this type.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $set(ctx: *mut SSL_CTX, callback: Option<$type>) {
            // SAFETY: the context outlives the call; the host's function gets the caller's arguments.
            unsafe {
                dispatch(
                    ctx,
                    (),
                    |context| clearing::while_forced_may_end(context, || context.$field.set(callback)),
                    |hosts| {
                        hosts.$set?(ctx, callback);
                        Some(())
                    },
                );
            }
        }

        /// The callback that the application has set.
        ///
        /// # Safety
        /// * `ctx` is null or a live context.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $get(ctx: *mut SSL_CTX) -> Option<$type> {
            // SAFETY: the context outlives the call.
            unsafe {
                dispatch(ctx, None, |context| context.$field.get(), |hosts| Some(hosts.$get?(ctx)))
            }
        }
    )*};
}

callbacks! {
    /// SSL_CTX_sess_set_new_cb(3): the callback that is offered each new session.
    SSL_CTX_sess_set_new_cb SSL_CTX_sess_get_new_cb (new_callback: NewSessionCallback);
    /// SSL_CTX_sess_set_remove_cb(3): the callback that is told of each session that leaves.
    SSL_CTX_sess_set_remove_cb SSL_CTX_sess_get_remove_cb (remove_callback: RemoveSessionCallback);
    /// SSL_CTX_sess_set_get_cb(3): the callback that is asked for a session that the cache does not have.
    SSL_CTX_sess_set_get_cb SSL_CTX_sess_get_get_cb (get_callback: GetSessionCallback);
}

/// Sets the mode of the session cache of ctx: mode is a sum of SSL_SESS_CACHE_* flags. The default is
/// SSL_SESS_CACHE_SERVER.
///
/// Returns the previous mode, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_session_cache_mode(
    ctx: *mut SSL_CTX,
    mode: c_long,
) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe {
        setting(
            ctx,
            SSL_CTRL_SET_SESS_CACHE_MODE,
            mode,
            c"SSL_CTX_set_session_cache_mode",
        )
    }
}

/// Returns the mode of the session cache as the program has set it, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_get_session_cache_mode(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe {
        setting(
            ctx,
            SSL_CTRL_GET_SESS_CACHE_MODE,
            0,
            c"SSL_CTX_get_session_cache_mode",
        )
    }
}

/// Sets the number of sessions that the cache of ctx may hold; 0 means no limit. The default is 20480. If the
/// cache holds more, those in excess leave when the next session is added.
///
/// Returns the previous size. Returns 0, and changes nothing, if size is negative or ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_set_cache_size(
    ctx: *mut SSL_CTX,
    size: c_long,
) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe {
        setting(
            ctx,
            SSL_CTRL_SET_SESS_CACHE_SIZE,
            size,
            c"SSL_CTX_sess_set_cache_size",
        )
    }
}

/// Returns the number of sessions that the cache of ctx may hold. Returns 0 if there is no limit or ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_get_cache_size(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe {
        setting(
            ctx,
            SSL_CTRL_GET_SESS_CACHE_SIZE,
            0,
            c"SSL_CTX_sess_get_cache_size",
        )
    }
}

/// Returns the number of sessions in the cache of ctx, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_number(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe { setting(ctx, SSL_CTRL_SESS_NUMBER, 0, c"SSL_CTX_sess_number") }
}

/// Returns the number of handshakes begun as a client, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_connect(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe { setting(ctx, SSL_CTRL_SESS_CONNECT, 0, c"SSL_CTX_sess_connect") }
}

/// Returns the number of handshakes completed as a client, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_connect_good(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe {
        setting(
            ctx,
            SSL_CTRL_SESS_CONNECT_GOOD,
            0,
            c"SSL_CTX_sess_connect_good",
        )
    }
}

/// Returns the number of renegotiations begun as a client, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_connect_renegotiate(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe {
        setting(
            ctx,
            SSL_CTRL_SESS_CONNECT_RENEGOTIATE,
            0,
            c"SSL_CTX_sess_connect_renegotiate",
        )
    }
}

/// Returns the number of handshakes begun as a server, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_accept(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe { setting(ctx, SSL_CTRL_SESS_ACCEPT, 0, c"SSL_CTX_sess_accept") }
}

/// Returns the number of handshakes completed as a server, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_accept_good(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe {
        setting(
            ctx,
            SSL_CTRL_SESS_ACCEPT_GOOD,
            0,
            c"SSL_CTX_sess_accept_good",
        )
    }
}

/// Returns the number of renegotiations begun as a server, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_accept_renegotiate(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe {
        setting(
            ctx,
            SSL_CTRL_SESS_ACCEPT_RENEGOTIATE,
            0,
            c"SSL_CTX_sess_accept_renegotiate",
        )
    }
}

/// Returns the number of resumed sessions, whichever cache they came from, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_hits(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe { setting(ctx, SSL_CTRL_SESS_HIT, 0, c"SSL_CTX_sess_hits") }
}

/// Returns the number of sessions that the program's get callback has returned, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_cb_hits(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe { setting(ctx, SSL_CTRL_SESS_CB_HIT, 0, c"SSL_CTX_sess_cb_hits") }
}

/// Returns the number of sessions that clients offered and that were not in the cache, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_misses(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe { setting(ctx, SSL_CTRL_SESS_MISSES, 0, c"SSL_CTX_sess_misses") }
}

/// Returns the number of sessions that clients offered and that had expired, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_timeouts(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe { setting(ctx, SSL_CTRL_SESS_TIMEOUTS, 0, c"SSL_CTX_sess_timeouts") }
}

/// Returns the number of sessions that left because the cache was full, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_cache_full(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the context outlives the call, and the command takes no pointer.
    unsafe { setting(ctx, SSL_CTRL_SESS_CACHE_FULL, 0, c"SSL_CTX_sess_cache_full") }
}

/// Runs a session command under the name of its function. If the context is not attached, and its library has a function of
/// this name, as BoringSSL has, that function is called.
///
/// # Safety
/// * `ctx` is null or a context that outlives the call; the command takes no pointer.
unsafe fn setting(ctx: *mut SSL_CTX, command: c_int, argument: c_long, name: &CStr) -> c_long {
    let theirs = |hosts: &Passthrough| {
        let Some(own) = ctx.host()?.own(name) else {
            // SAFETY: the context outlives the call, and the command takes no pointer.
            return Some(unsafe { hosts.SSL_CTX_ctrl?(ctx, command, argument, ptr::null_mut()) });
        };
        type Setting = unsafe extern "C-unwind" fn(*mut SSL_CTX, c_long) -> c_long;
        // SAFETY: every function of such a name takes a context, some of them a number after it, and returns a number or
        // nothing.
        let own = unsafe { mem::transmute::<NonNull<c_void>, Setting>(own) };
        // SAFETY: the context outlives the call.
        Some(unsafe { own(ctx, argument) })
    };
    // SAFETY: the context outlives the call.
    unsafe {
        dispatch(
            ctx,
            0,
            |context| ctrl(context, ctx, command, argument),
            theirs,
        )
    }
}

/// Answers a session command of SSL_CTX_ctrl.
fn ctrl(context: &Context, ctx: *mut SSL_CTX, command: c_int, argument: c_long) -> c_long {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as c_long;
    match command {
        SSL_CTRL_SET_SESS_CACHE_SIZE => {
            let Ok(size) = usize::try_from(argument) else {
                return 0;
            };
            let before = context.cache.capacity();
            context.cache.set_capacity(size);
            operations::share_capacity(context, ctx, size);
            before as c_long
        }
        SSL_CTRL_GET_SESS_CACHE_SIZE => context.cache.capacity() as c_long,
        SSL_CTRL_SET_SESS_CACHE_MODE => {
            // libssl keeps the low 32 bits, unknown ones included.
            let change = || context.mode.swap(argument as u32, Ordering::Relaxed);
            let before = clearing::while_forced_may_end(context, change);
            context.apply_mode(ctx);
            c_long::from(before)
        }
        SSL_CTRL_GET_SESS_CACHE_MODE => c_long::from(context.mode.load(Ordering::Relaxed)),
        SSL_CTRL_SESS_NUMBER => operations::number(context, ctx) as c_long,
        SSL_CTRL_SESS_CB_HIT => count(&context.counters.cb_hits),
        // The host looks nothing up, but counts the sessions that a server refused to resume for this client.
        SSL_CTRL_SESS_MISSES => {
            count(&context.counters.misses) + context.host_ctrl(ctx, command, 0)
        }
        SSL_CTRL_SESS_CACHE_FULL => count(&context.counters.cache_full),
        // The host goes on counting handshakes, hits and timeouts.
        _ => context.host_ctrl(ctx, command, argument),
    }
}
