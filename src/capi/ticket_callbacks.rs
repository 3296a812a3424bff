//! The ticket-key callbacks that the host calls: ours, and ours in front of the application's.

use core::ffi::{c_int, c_void};
use core::mem;
use core::sync::atomic::Ordering;

use super::serving::serving;
use crate::context::Context;
use crate::context::ticket_keys::{NO_KEY, READY, answer, tag_to_cover};
use crate::host::tickets::Pair;
use crate::host::types::*;
use crate::stats::publish;
use crate::sys::guard::guard;

/// Sets our callback in a context, if the settings ask for shared ticket keys or for strict names.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, just made.
pub unsafe fn share_ticket_keys(context: &Context, ctx: *mut SSL_CTX) {
    let is_asked_for = context.settings.ticket_keys.are_common();
    if (is_asked_for || context.settings.strict_names)
        && let Ok(tickets) = &context.host.tickets
    {
        // SAFETY: the context is alive and of the host that has this function.
        let set = unsafe { tickets.set_callback(ctx, Some(on_ticket)) };
        context.tickets.is_ours.store(set, Ordering::Relaxed);
    }
}

/// Leaves the tickets of a context to the application, which has set keys or a callback of the older kind. libssl would use
/// neither while our callback is set.
///
/// # Safety
/// * `ctx` is the live SSL_CTX of `context`.
pub unsafe fn leave_ticket_keys(context: &Context, ctx: *mut SSL_CTX) {
    // With strict names the callback stays: it covers the names, and uses the keys of the application.
    if context.forget_ticket_keys()
        && !context.settings.strict_names
        && let Ok(tickets) = &context.host.tickets
    {
        // SAFETY: the context is alive and of the host that has this function.
        unsafe { tickets.set_callback(ctx, None) };
    }
}

/// Stands in front of the application's callback of the older kind, if names are strict. Returns the callback that the host
/// is to be given; `None` if it is to get the application's own.
///
/// # Safety
/// * `ctx` is the live SSL_CTX of `context`.
pub unsafe fn stand_in_front_of_hmac(
    context: &Context,
    ctx: *mut SSL_CTX,
    callback: Option<HmacTicketKeyCallback>,
) -> Option<Option<HmacTicketKeyCallback>> {
    let Ok(tickets) = &context.host.tickets else {
        return None;
    };
    if !context.settings.strict_names || context.host.newer.HMAC_Update.is_none() {
        return None;
    }
    context.tickets.application_hmac.set(callback);
    let (ours, in_front) = match callback {
        Some(_) => (None, Some(on_hmac_ticket as HmacTicketKeyCallback)),
        None => (Some(on_ticket as TicketKeyCallback), None),
    };
    if tickets.has_one_callback() {
        // SAFETY: the host calls both kinds with the same arguments, and `on_ticket` passes the code on as it gets it.
        let ours = ours.map(|ours| unsafe {
            mem::transmute::<TicketKeyCallback, HmacTicketKeyCallback>(ours)
        });
        return Some(in_front.or(ours));
    }
    // libssl prefers a callback of the newer kind: it has to go while there is one of the older.
    // SAFETY: the context is alive and of the host that has this function.
    unsafe { tickets.set_callback(ctx, ours) };
    Some(in_front)
}

/// The host makes or opens a ticket.
unsafe extern "C-unwind" fn on_ticket(
    ssl: *mut SSL,
    name: *mut u8,
    iv: *mut u8,
    cipher: *mut EVP_CIPHER_CTX,
    code: *mut EVP_MAC_CTX,
    makes: c_int,
) -> c_int {
    // SAFETY: the host passes a live connection.
    let application = guard(None, || unsafe {
        Some(serving(ssl)?.1.tickets.application.get())
    });
    let answer = match application {
        // SAFETY: the application's callback gets the host's arguments.
        Some(callback) => unsafe { callback(ssl, name, iv, cipher, code, makes) },
        // SAFETY: the arguments are those that the host has passed to its ticket-key callback.
        None => guard(NO_KEY, || unsafe {
            answer(
                ssl,
                name,
                iv,
                Pair { cipher, code },
                makes,
                publish::enter_ticket(),
            )
        }),
    };
    let cover = |context: &Context, tag: &[u8]| {
        let tickets = context.host.tickets.as_ref().ok()?;
        // SAFETY: `code` is the host's argument, and the callback has initialised it.
        Some(unsafe { tickets.cover(code, tag) })
    };
    // SAFETY: the host passes a live connection, inside its handshake.
    unsafe { cover_tag(ssl, makes, answer, cover) }
}

/// The host makes or opens a ticket of an application that has a callback of the older kind.
unsafe extern "C-unwind" fn on_hmac_ticket(
    ssl: *mut SSL,
    name: *mut u8,
    iv: *mut u8,
    cipher: *mut EVP_CIPHER_CTX,
    code: *mut c_void,
    makes: c_int,
) -> c_int {
    // SAFETY: the host passes a live connection.
    let application = guard(None, || unsafe {
        Some(serving(ssl)?.1.tickets.application_hmac.get())
    });
    let Some(callback) = application else {
        return NO_KEY;
    };
    // SAFETY: the application's callback gets the host's arguments.
    let answer = unsafe { callback(ssl, name, iv, cipher, code, makes) };
    let cover = |context: &Context, tag: &[u8]| {
        let update = context.host.newer.HMAC_Update?;
        // SAFETY: the callback has initialised `code`, and `tag` is readable for its length.
        Some(unsafe { update(code, tag.as_ptr(), tag.len()) })
    };
    // SAFETY: the host passes a live connection, inside its handshake.
    unsafe { cover_tag(ssl, makes, answer, cover) }
}

/// Adds the connection's tag to what the code over its ticket covers, if names are strict and there is a key. Returns
/// `answer`, or NO_KEY if that fails. `cover` adds bytes to the code, and returns 1 as libcrypto does.
///
/// # Safety
/// * `ssl` is a live connection inside its handshake.
unsafe fn cover_tag(
    ssl: *mut SSL,
    makes: c_int,
    answer: c_int,
    cover: impl FnOnce(&Context, &[u8]) -> Option<c_int>,
) -> c_int {
    if answer < READY {
        return answer;
    }
    guard(NO_KEY, || {
        // SAFETY: the connection is alive and inside its handshake.
        match unsafe { tag_to_cover(ssl, makes) }? {
            Some((context, tag)) => (cover(context, &tag.0)? == 1).then_some(answer),
            None => Some(answer),
        }
    })
}
