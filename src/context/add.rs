//! Adding a session, for the new callback and for SSL_CTX_add_session.

use core::ffi::c_long;
use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;

use super::alike::decide;
use super::session::{expiry_in, expiry_of, key_in, key_of};
use super::sharing::operations;
use super::sharing::state::{Destination, Scope};
use super::{Context, everywhere, insert, listing, unannounced};
use crate::cache::{Arrival, ClientHistory, Evicted};
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
    let Some(lent) = (unsafe { begin(context, session, now) }) else {
        return false;
    };
    // divergence: libssl stores a session without an id, which can then never be found or removed and
    // blocks eviction for ever. We refuse it.
    let Some(key) = key_of(&lent) else {
        return false;
    };
    // SAFETY: `lent` is a session of the context's host, which the caller keeps alive.
    unsafe { decide::note_tag_if_strict(context, lent.as_ptr(), &destination.terms) };
    if !matches!(destination.scope, Scope::Own) || context.may_group() {
        return operations::add_shared(context, ctx, destination, (&key, &lent), history);
    }
    let arrival = Arrival {
        key: &key,
        value: &*lent,
        expiry: expiry_of(&lent),
        history,
        now,
    };
    insert::insert(context, ctx, &context.cache, &arrival)
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
    // SAFETY: the caller keeps `session` alive during the call, which is as long as `lent` is used.
    let Some(lent) = (unsafe { begin(context, session, now) }) else {
        return false;
    };
    // What the session tells is read inside, where it is used: read before, it would have to be handed over in memory.
    let put = |evicted: &mut Evicted<SessionRef>| {
        // SAFETY: the session is alive, and of the context's host.
        let key = unsafe { key_in(context.libssl, session) }?;
        let arrival = Arrival {
            key: &key,
            value: &*lent,
            // SAFETY: as above.
            expiry: unsafe { expiry_in(context.libssl, session) },
            history: ClientHistory::New,
            now,
        };
        Some(context.cache.insert(&arrival, evicted))
    };
    insert::insert_by(context, ctx, || has_id(&lent), put)
}

/// Whether a session has an id that it could be found by. Apart, as it is asked before the first session of a context only, and
/// a second key in [`add_alone`] would cost each call registers.
#[cold]
#[inline(never)]
fn has_id(session: &SessionRef) -> bool {
    key_of(session).is_some()
}

/// Does what comes first wherever a session goes; `None` if it goes nowhere.
///
/// # Safety
/// * `session` is null or a session of the context's library, which the caller keeps alive for as long as the result is used.
#[inline(always)]
unsafe fn begin(
    context: &Context,
    session: *mut SSL_SESSION,
    now: c_long,
) -> Option<ManuallyDrop<SessionRef>> {
    // SAFETY: the caller keeps `session` alive for as long as the result is used.
    let lent = unsafe { SessionRef::lend(context.libssl, session) }?;
    unannounced::forget(session.cast());
    listing::release_due_tables();
    update_time(context, &lent, now);
    Some(lent)
}

/// Sets a session's time to now if the mode is SSL_SESS_CACHE_UPDATE_TIME, as libssl does with each session that is added
/// from 3.0 on.
#[inline]
pub fn update_time(context: &Context, session: &SessionRef, now: c_long) {
    // The application's mode: a forced cache does not change this flag.
    let mode = context.mode.load(Ordering::Relaxed);
    if mode & SSL_SESS_CACHE_UPDATE_TIME != 0 && context.host.kind.knows_update_time() {
        session.set_time(now);
        everywhere::follow_expiry(session);
    }
}
