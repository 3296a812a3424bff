//! The ticket-key callbacks that the host calls: ours, and ours in front of the application's.

use core::ffi::{c_int, c_void};
use core::sync::atomic::Ordering;

use crate::config::{self, settings};
use crate::context::Context;
use crate::context::connections::session_context;
use crate::context::known::met;
use crate::context::ticket_keys::{NO_KEY, READY, answer, tag_to_cover};
use crate::host::tickets::Pair;
use crate::host::types::*;
use crate::sys::guard::guard;

/// Puts our callback into a context, where that is asked for.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`, just made.
pub unsafe fn share_ticket_keys(context: &Context, ctx: *mut SSL_CTX) {
    let is_asked_for = settings().ticket_keys == config::TicketKeys::Shared;
    if (is_asked_for || settings().strict_names)
        && let Ok(tickets) = &context.host.tickets
    {
        // SAFETY: the caller's contract.
        let set = unsafe { (tickets.SSL_CTX_set_tlsext_ticket_key_evp_cb)(ctx, Some(on_ticket)) };
        context.tickets.is_ours.store(set == 1, Ordering::Relaxed);
    }
}

/// Leaves the tickets of a context to its application, whose keys or older callback libssl would not ask while
/// there is ours.
///
/// # Safety
/// * `ctx` is the live SSL_CTX of `context`.
pub unsafe fn leave_ticket_keys(context: &Context, ctx: *mut SSL_CTX) {
    // With strict names the callback stays, for the sake of the names, and uses the keys of the application.
    if context.forget_ticket_keys()
        && !settings().strict_names
        && let Ok(tickets) = &context.host.tickets
    {
        // SAFETY: the caller's contract.
        unsafe { (tickets.SSL_CTX_set_tlsext_ticket_key_evp_cb)(ctx, None) };
    }
}

/// The same of a callback of the older kind: what the host is to be given in its place.
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
    if !settings().strict_names || context.host.newer.HMAC_Update.is_none() {
        return None;
    }
    context.tickets.application_hmac.set(callback);
    let (ours, in_front) = match callback {
        Some(_) => (None, Some(on_hmac_ticket as HmacTicketKeyCallback)),
        None => (Some(on_ticket as TicketKeyCallback), None),
    };
    // libssl asks the other kind first.
    // SAFETY: the caller's contract.
    unsafe { (tickets.SSL_CTX_set_tlsext_ticket_key_evp_cb)(ctx, ours) };
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
        let ctx = session_context(ssl)?;
        Some(met(ctx)?.tickets.application.get())
    });
    let answer = match application {
        // SAFETY: the application's callback with the host's arguments.
        Some(callback) => unsafe { callback(ssl, name, iv, cipher, code, makes) },
        // SAFETY: the host's own arguments.
        None => guard(NO_KEY, || unsafe {
            answer(ssl, name, iv, Pair { cipher, code }, makes)
        }),
    };
    if answer < READY {
        return answer;
    }
    guard(NO_KEY, || {
        // SAFETY: the host passes a live connection, inside its handshake.
        let tag = unsafe { tag_to_cover(ssl, makes) }?;
        let Some((context, tag)) = tag else {
            return Some(answer);
        };
        let update = context.host.tickets.as_ref().ok()?.EVP_MAC_update;
        // SAFETY: the code is ready, and takes the bytes of the tag.
        (unsafe { update(code, tag.0.as_ptr(), tag.0.len()) } == 1).then_some(answer)
    })
}

/// The same, where the application has a callback of the older kind.
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
        let ctx = session_context(ssl)?;
        Some(met(ctx)?.tickets.application_hmac.get())
    });
    let Some(callback) = application else {
        return NO_KEY;
    };
    // SAFETY: the application's callback with the host's arguments.
    let answer = unsafe { callback(ssl, name, iv, cipher, code, makes) };
    if answer < READY {
        return answer;
    }
    guard(NO_KEY, || {
        // SAFETY: the host passes a live connection, inside its handshake.
        let tag = unsafe { tag_to_cover(ssl, makes) }?;
        let Some((context, tag)) = tag else {
            return Some(answer);
        };
        let update = context.host.newer.HMAC_Update?;
        // SAFETY: the code is ready, and takes the bytes of the tag.
        (unsafe { update(code, tag.0.as_ptr(), tag.0.len()) } == 1).then_some(answer)
    })
}
