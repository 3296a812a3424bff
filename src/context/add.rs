//! Adding a session, as SSL_CTX_add_session does.

use core::ffi::c_long;

use super::alike::decide;
use super::session::{expiry_of, key_of};
use super::sharing::operations;
use super::sharing::state::{Destination, Scope};
use super::{Context, everywhere, insert, listing, unannounced};
use crate::cache::{ClientHistory, Key};
use crate::host::SessionRef;
use crate::host::abi::SSL_SESS_CACHE_UPDATE_TIME;
use crate::host::types::*;

/// Adds a session as SSL_CTX_add_session does; whether it was new to the cache. Of a handshake that
/// resumed an earlier session, `standing` says so.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`;
/// * `session` is a session of the same library, alive during the call.
pub unsafe fn add(
    context: &Context,
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
    history: ClientHistory,
    destination: Destination,
    now: c_long,
) -> bool {
    // SAFETY: the caller's contract.
    let Some(lent) = (unsafe { SessionRef::lend(context.libssl, session) }) else {
        return false;
    };
    // divergence: libssl stores a session without an id, which can then never be found or removed and
    // blocks eviction for ever.
    let Some(key) = key_of(&lent) else {
        return false;
    };
    unannounced::forget(lent.as_ptr().cast());
    listing::release_due_tables();
    update_time(context, &lent, now);
    put_in(context, ctx, (key, &lent), history, destination, now)
}

fn put_in(
    context: &Context,
    ctx: *mut SSL_CTX,
    (key, lent): (Key, &SessionRef),
    history: ClientHistory,
    destination: Destination,
    now: c_long,
) -> bool {
    // SAFETY: a session of this host, which the caller keeps alive.
    unsafe { decide::note_tag_if_strict(context, lent.as_ptr(), &destination.terms) };
    if !matches!(destination.scope, Scope::Own) || context.may_group() {
        return operations::add_shared(context, ctx, destination, (key, lent), history);
    }
    // After all reading, which waits for the session's memory in one go: nothing overtakes the counting.
    let expiry = expiry_of(lent);
    let Some(session) = lent.share() else {
        return false;
    };
    insert::insert(
        context,
        ctx,
        &context.cache,
        (key, session),
        expiry,
        history,
        now,
    )
}

/// Makes a session new, where the mode asks for that whenever one is added.
pub fn update_time(context: &Context, session: &SessionRef, now: c_long) {
    if context.mode_has(SSL_SESS_CACHE_UPDATE_TIME) {
        session.set_time(now);
        everywhere::follow_expiry(session);
    }
}
