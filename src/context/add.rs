//! Adding a session, for the new callback and for SSL_CTX_add_session.

use core::ffi::c_long;

use super::alike::decide;
use super::session::{expiry_of, key_of};
use super::sharing::operations;
use super::sharing::state::{Destination, Scope};
use super::{Context, everywhere, insert, listing, unannounced};
use crate::cache::{Arrival, ClientHistory, Key};
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
    let go_on = |key: &Key, lent: &SessionRef| {
        // SAFETY: `lent` is a session of the context's host, which the caller keeps alive.
        unsafe { decide::note_tag_if_strict(context, lent.as_ptr(), &destination.terms) };
        if !matches!(destination.scope, Scope::Own) || context.may_group() {
            return operations::add_shared(context, ctx, destination, (key, lent), history);
        }
        put_in(context, ctx, (key, lent), history, now)
    };
    // SAFETY: the caller keeps `session` alive during the call.
    unsafe { begin(context, session, now, go_on) }
}

/// Does what [`add`] does for a session that the application adds to a context whose sessions stay in this process and are not
/// compared there (`decide::matters` is false): nothing else has to be asked.
///
/// # Safety
/// As for [`add`].
#[inline(always)]
pub unsafe fn add_alone(
    context: &Context,
    ctx: *mut SSL_CTX,
    session: *mut SSL_SESSION,
    now: c_long,
) -> bool {
    let go_on =
        |key: &Key, lent: &SessionRef| put_in(context, ctx, (key, lent), ClientHistory::New, now);
    // SAFETY: the caller keeps `session` alive during the call.
    unsafe { begin(context, session, now, go_on) }
}

/// Does what comes first wherever a session goes, and then `go_on` with its key; `false` if it goes nowhere.
///
/// # Safety
/// * `session` is null or a session of the context's library, alive during the call.
#[inline(always)]
unsafe fn begin(
    context: &Context,
    session: *mut SSL_SESSION,
    now: c_long,
    go_on: impl FnOnce(&Key, &SessionRef) -> bool,
) -> bool {
    // SAFETY: the caller keeps `session` alive during the call, which is as long as `lent` is used.
    let Some(lent) = (unsafe { SessionRef::lend(context.libssl, session) }) else {
        return false;
    };
    unannounced::forget(lent.as_ptr().cast());
    listing::release_due_tables();
    // divergence: libssl stores a session without an id, which can then never be found or removed and
    // blocks eviction for ever. We refuse it.
    let Some(key) = key_of(&lent) else {
        return false;
    };
    update_time(context, &lent, now);
    go_on(&key, &lent)
}

/// Puts a session into the own cache of this process.
#[inline(always)]
fn put_in(
    context: &Context,
    ctx: *mut SSL_CTX,
    (key, value): (&Key, &SessionRef),
    history: ClientHistory,
    now: c_long,
) -> bool {
    let arrival = Arrival {
        key,
        value,
        // Read before the reference is counted: the reads wait for the session's memory together, while no load overtakes
        // the atomic increment.
        expiry: expiry_of(value),
        history,
        now,
    };
    insert::insert_inlined(context, ctx, &context.cache, &arrival)
}

/// Sets a session's time to now if the mode is SSL_SESS_CACHE_UPDATE_TIME, as libssl does with each session that is added
/// from 3.0 on.
#[inline]
pub fn update_time(context: &Context, session: &SessionRef, now: c_long) {
    if context.mode_has(SSL_SESS_CACHE_UPDATE_TIME) && context.host.kind.knows_update_time() {
        session.set_time(now);
        everywhere::follow_expiry(session);
    }
}
