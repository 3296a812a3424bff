//! Adding a session, for the new callback and for SSL_CTX_add_session.

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

/// Adds a session as SSL_CTX_add_session does; `true` if it was new to the cache. `history` is what is known of the client
/// for which it was made.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`;
/// * `session` is null or a session of the same library, alive during the call.
pub unsafe fn add(
    context: &Context,
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
    history: ClientHistory,
    destination: Destination,
    now: c_long,
) -> bool {
    // SAFETY: the caller keeps `session` alive during the call, which is as long as `lent` is used.
    let Some(lent) = (unsafe { SessionRef::lend(context.libssl, session) }) else {
        return false;
    };
    // divergence: libssl stores a session without an id, which can then never be found or removed and
    // blocks eviction for ever. We refuse it.
    let Some(key) = key_of(&lent) else {
        return false;
    };
    unannounced::forget(lent.as_ptr().cast());
    listing::release_due_tables();
    update_time(context, &lent, now);
    put_in(context, ctx, (key, &lent), history, destination, now)
}

/// Puts a session into the cache of this process, or into a shared one.
fn put_in(
    context: &Context,
    ctx: *mut SSL_CTX,
    (key, lent): (Key, &SessionRef),
    history: ClientHistory,
    destination: Destination,
    now: c_long,
) -> bool {
    // SAFETY: `lent` is a session of the context's host, which the caller of `add` keeps alive.
    unsafe { decide::note_tag_if_strict(context, lent.as_ptr(), &destination.terms) };
    if !matches!(destination.scope, Scope::Own) || context.may_group() {
        return operations::add_shared(context, ctx, destination, (key, lent), history);
    }
    // Read before the reference is counted: the reads wait for the session's memory together, while no load overtakes the
    // atomic increment.
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

/// Sets a session's time to now if the mode is SSL_SESS_CACHE_UPDATE_TIME, as libssl does with each session that is added
/// from 3.0 on.
pub fn update_time(context: &Context, session: &SessionRef, now: c_long) {
    if context.mode_has(SSL_SESS_CACHE_UPDATE_TIME) && context.host.kind.knows_update_time() {
        session.set_time(now);
        everywhere::follow_expiry(session);
    }
}
