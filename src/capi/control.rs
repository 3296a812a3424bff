//! Mode, size, callbacks and counters.
//!
//! `<openssl/ssl.h>` has most of these as macros over SSL_CTX_ctrl. The manual pages document them as
//! functions, and callers without a C preprocessor need them: here they are both.

use core::ffi::{CStr, c_int, c_long, c_void};
use core::mem;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

use super::attach::{Early, attached, is_making};
use super::setters::list_of;
use super::{host_callbacks, ticket_callbacks};
use crate::context::Context;
use crate::context::alike::learned::note_set_early;
use crate::context::known::host_of;
use crate::context::sharing::operations;
use crate::host::abi::*;
use crate::host::types::*;
use crate::sys::guard::passage;

/// SSL_CTX_ctrl(3): the session commands are answered by us, all others by the host.
///
/// # Safety
/// * as the manual says of each command.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_ctrl(
    ctx: *mut SSL_CTX,
    command: c_int,
    argument: c_long,
    pointer: *mut c_void,
) -> c_long {
    passage(0, || {
        // SAFETY: the caller's contract.
        let context = unsafe { attached(ctx) };
        if let Some(context) = context.filter(|_| is_session_command(command)) {
            return Some(ctrl(context, ctx, command, argument));
        }
        // SAFETY: the caller's contract.
        let answer =
            unsafe { host_of(ctx)?.passthrough.SSL_CTX_ctrl?(ctx, command, argument, pointer) };
        if is_ticket_keys_command(command) && !pointer.is_null() && answer == 1 {
            // SAFETY: the caller's contract.
            unsafe { leave_ticket_keys(ctx) };
        }
        // SAFETY: the caller's contract.
        if let Some(list) = unsafe { list_of(command, argument, pointer) }
            && answer == 1
            // SAFETY: as above.
            && let Some(context) = unsafe { attached(ctx) }
        {
            context.alike.learned.lists.set(command, list);
        }
        Some(answer)
    })
}

/// Whether the application sets the keys of its tickets, or gets them: then it gives them to others.
fn is_ticket_keys_command(command: c_int) -> bool {
    command == SSL_CTRL_SET_TLSEXT_TICKET_KEYS || command == SSL_CTRL_GET_TLSEXT_TICKET_KEYS
}

/// The application has the tickets of a context to itself from now on.
///
/// # Safety
/// * `ctx` is a live context.
unsafe fn leave_ticket_keys(ctx: *mut SSL_CTX) {
    // SAFETY: the caller's contract.
    match unsafe { attached(ctx) } {
        // SAFETY: the caller's contract.
        Some(context) => unsafe { ticket_callbacks::leave_ticket_keys(context, ctx) },
        None => Early::note(ctx, Early::has_ticket_keys),
    }
}

fn is_session_command(command: c_int) -> bool {
    (SSL_CTRL_SESS_NUMBER..=SSL_CTRL_SESS_CACHE_FULL).contains(&command)
        || (SSL_CTRL_SET_SESS_CACHE_SIZE..=SSL_CTRL_GET_SESS_CACHE_MODE).contains(&command)
}

/// SSL_CTX_callback_ctrl(3): the host's; one that brings a ticket-key callback ends the sharing of ticket keys.
///
/// # Safety
/// * as the manual says of each command.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_callback_ctrl(
    ctx: *mut SSL_CTX,
    command: c_int,
    callback: Option<AnyCallback>,
) -> c_long {
    passage(0, || {
        // SAFETY: the caller's contract.
        let context = unsafe { attached(ctx) };
        if context.is_none() && is_making() && callback.is_some() {
            note_set_early();
        }
        let in_place = context.and_then(|context| {
            // SAFETY: the caller's contract.
            unsafe { host_callbacks::in_place_of(context, ctx, command, callback) }
        });
        let callback = in_place.unwrap_or(callback);
        // SAFETY: the caller's contract.
        let answer =
            unsafe { host_of(ctx)?.passthrough.SSL_CTX_callback_ctrl?(ctx, command, callback) };
        if command == SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB {
            // SAFETY: the caller's contract.
            unsafe { leave_ticket_keys(ctx) };
        }
        Some(answer)
    })
}

/// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): takes the place of ours, also where it is NULL.
///
/// # Safety
/// * `ctx` is a live context; `callback` is null or a function of this type.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_set_tlsext_ticket_key_evp_cb(
    ctx: *mut SSL_CTX,
    callback: Option<TicketKeyCallback>,
) -> c_int {
    passage(0, || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            context.forget_ticket_keys();
            if context.stand_in_front(callback) {
                return Some(1);
            }
        } else {
            Early::note(ctx, Early::has_ticket_keys);
        }
        let set = host_of(ctx)?
            .passthrough
            .SSL_CTX_set_tlsext_ticket_key_evp_cb?;
        // SAFETY: the caller's contract.
        Some(unsafe { set(ctx, callback) })
    })
}

/// SSL_CTX_sess_set_new_cb(3): told of each new session; none where NULL.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of this type.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_set_new_cb(
    ctx: *mut SSL_CTX,
    callback: Option<NewSessionCallback>,
) {
    passage((), || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            context.new_callback.set(callback);
        } else if !ctx.is_null() {
            // SAFETY: the caller's contract.
            unsafe { host_of(ctx)?.passthrough.SSL_CTX_sess_set_new_cb?(ctx, callback) };
        }
        Some(())
    });
}

/// SSL_CTX_sess_get_new_cb(3): what the application has set.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_get_new_cb(
    ctx: *mut SSL_CTX,
) -> Option<NewSessionCallback> {
    passage(None, || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            return Some(context.new_callback.get());
        }
        if ctx.is_null() {
            return None;
        }
        // SAFETY: the caller's contract.
        Some(unsafe { host_of(ctx)?.passthrough.SSL_CTX_sess_get_new_cb?(ctx) })
    })
}

/// SSL_CTX_sess_set_remove_cb(3): told of each session that leaves; none where NULL.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of this type.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_set_remove_cb(
    ctx: *mut SSL_CTX,
    callback: Option<RemoveSessionCallback>,
) {
    passage((), || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            context.remove_callback.set(callback);
        } else if !ctx.is_null() {
            // SAFETY: the caller's contract.
            unsafe { host_of(ctx)?.passthrough.SSL_CTX_sess_set_remove_cb?(ctx, callback) };
        }
        Some(())
    });
}

/// SSL_CTX_sess_get_remove_cb(3): what the application has set.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_get_remove_cb(
    ctx: *mut SSL_CTX,
) -> Option<RemoveSessionCallback> {
    passage(None, || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            return Some(context.remove_callback.get());
        }
        if ctx.is_null() {
            return None;
        }
        // SAFETY: the caller's contract.
        Some(unsafe { host_of(ctx)?.passthrough.SSL_CTX_sess_get_remove_cb?(ctx) })
    })
}

/// SSL_CTX_sess_set_get_cb(3): asked for what the cache does not have; none where NULL.
///
/// # Safety
/// * `ctx` is null or a live context; `callback` is null or a function of this type.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_set_get_cb(
    ctx: *mut SSL_CTX,
    callback: Option<GetSessionCallback>,
) {
    passage((), || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            context.get_callback.set(callback);
        } else if !ctx.is_null() {
            // SAFETY: the caller's contract.
            unsafe { host_of(ctx)?.passthrough.SSL_CTX_sess_set_get_cb?(ctx, callback) };
        }
        Some(())
    });
}

/// SSL_CTX_sess_get_get_cb(3): what the application has set.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_get_get_cb(
    ctx: *mut SSL_CTX,
) -> Option<GetSessionCallback> {
    passage(None, || {
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            return Some(context.get_callback.get());
        }
        if ctx.is_null() {
            return None;
        }
        // SAFETY: the caller's contract.
        Some(unsafe { host_of(ctx)?.passthrough.SSL_CTX_sess_get_get_cb?(ctx) })
    })
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
    // SAFETY: the caller's contract.
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
    // SAFETY: the caller's contract.
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
    // SAFETY: the caller's contract.
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
    // SAFETY: the caller's contract.
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
    // SAFETY: the caller's contract.
    unsafe { setting(ctx, SSL_CTRL_SESS_NUMBER, 0, c"SSL_CTX_sess_number") }
}

/// Returns the number of handshakes begun as a client, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_connect(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the caller's contract.
    unsafe { setting(ctx, SSL_CTRL_SESS_CONNECT, 0, c"SSL_CTX_sess_connect") }
}

/// Returns the number of handshakes completed as a client, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_connect_good(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the caller's contract.
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
    // SAFETY: the caller's contract.
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
    // SAFETY: the caller's contract.
    unsafe { setting(ctx, SSL_CTRL_SESS_ACCEPT, 0, c"SSL_CTX_sess_accept") }
}

/// Returns the number of handshakes completed as a server, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_accept_good(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the caller's contract.
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
    // SAFETY: the caller's contract.
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
    // SAFETY: the caller's contract.
    unsafe { setting(ctx, SSL_CTRL_SESS_HIT, 0, c"SSL_CTX_sess_hits") }
}

/// Returns the number of sessions that the program's get callback has returned, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_cb_hits(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the caller's contract.
    unsafe { setting(ctx, SSL_CTRL_SESS_CB_HIT, 0, c"SSL_CTX_sess_cb_hits") }
}

/// Returns the number of sessions that clients offered and that were not in the cache, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_misses(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the caller's contract.
    unsafe { setting(ctx, SSL_CTRL_SESS_MISSES, 0, c"SSL_CTX_sess_misses") }
}

/// Returns the number of sessions that clients offered and that had expired, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_timeouts(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the caller's contract.
    unsafe { setting(ctx, SSL_CTRL_SESS_TIMEOUTS, 0, c"SSL_CTX_sess_timeouts") }
}

/// Returns the number of sessions that left because the cache was full, or 0 if ctx is NULL.
///
/// # Safety
/// * `ctx` is null or a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn SSL_CTX_sess_cache_full(ctx: *mut SSL_CTX) -> c_long {
    // SAFETY: the caller's contract.
    unsafe { setting(ctx, SSL_CTRL_SESS_CACHE_FULL, 0, c"SSL_CTX_sess_cache_full") }
}

/// A session command under the name of its function. A library that has the function itself, as BoringSSL has,
/// and whose context is not in our care, is called by it.
///
/// # Safety
/// * `ctx` is null or a live context; the command takes no pointer.
unsafe fn setting(ctx: *mut SSL_CTX, command: c_int, argument: c_long, name: &CStr) -> c_long {
    passage(0, || {
        if ctx.is_null() {
            return None;
        }
        // SAFETY: the caller's contract.
        if let Some(context) = unsafe { attached(ctx) } {
            return Some(ctrl(context, ctx, command, argument));
        }
        let host = host_of(ctx)?;
        let Some(own) = host.own(name) else {
            // SAFETY: the caller's contract.
            return Some(unsafe {
                host.passthrough.SSL_CTX_ctrl?(ctx, command, argument, ptr::null_mut())
            });
        };
        type Setting = unsafe extern "C-unwind" fn(*mut SSL_CTX, c_long) -> c_long;
        // SAFETY: all of them take a context, some a number after it, and answer a number or nothing.
        let own = unsafe { mem::transmute::<NonNull<c_void>, Setting>(own) };
        // SAFETY: the caller's contract.
        Some(unsafe { own(ctx, argument) })
    })
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
            // libssl keeps the low 32 bits, unknown ones too.
            let before = context.mode.swap(argument as u32, Ordering::Relaxed);
            context.apply_mode(ctx);
            c_long::from(before)
        }
        SSL_CTRL_GET_SESS_CACHE_MODE => c_long::from(context.mode.load(Ordering::Relaxed)),
        SSL_CTRL_SESS_NUMBER => operations::number(context, ctx) as c_long,
        SSL_CTRL_SESS_CB_HIT => count(&context.counters.cb_hits),
        // The host counts what a server refused to a client, and no look-ups, as it makes none.
        SSL_CTRL_SESS_MISSES => {
            count(&context.counters.misses) + context.host_ctrl(ctx, command, 0)
        }
        SSL_CTRL_SESS_CACHE_FULL => count(&context.counters.cache_full),
        // Handshakes, hits and timeouts are counted by the host as ever.
        _ => context.host_ctrl(ctx, command, argument),
    }
}
