//! Removing a session, as SSL_CTX_remove_session does, and lending one to the host, which removes it itself.
//!
//! Removals arrive here from SSL_CTX_remove_session ([`remove`]) and from the host's remove callback ([`follow_removal`]).
//! [`operations::remove_everywhere`] decides which caches and which processes lose the session.

use core::sync::atomic::Ordering;

use super::session::{key_in, key_of};
use super::sharing::operations;
use super::{Context, departing, freeing, listing, notify};
use crate::cache::Key;
use crate::host::SessionRef;
use crate::host::locate::is_called_by;
use crate::host::types::*;
use crate::sys::guard::quietly;

/// Removes a session as SSL_CTX_remove_session does; `true` if its id was in the cache. Either way the session is marked
/// not resumable and the remove callback runs. Nothing happens if this thread is inside the remove callback for this very
/// session, because it is departing already.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`;
/// * `session` is null or a session of the same library, alive until the remove callback returns.
pub unsafe fn remove(context: &Context, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) -> bool {
    // SAFETY: the caller keeps `session` alive until the remove callback returns, as libssl demands; it is not touched
    // afterwards.
    let Some(lent) = (unsafe { SessionRef::lend(context.libssl, session) }) else {
        return false;
    };
    let is_departing = |key: &Key| departing::is_departing(ctx, key);
    if departing::is_any() && key_of(&lent).as_ref().is_some_and(is_departing) {
        return false;
    }
    listing::release_due_tables();
    // Read before the callback, after which the session is not touched.
    let claimed = context.claims.any().then(|| key_of(&lent)).flatten();
    // What the session tells is read inside, where it is used: read before, it would have to be handed over in memory.
    let taken = context.with_cache(|cache| {
        // SAFETY: the session is alive, and of the context's host.
        let key = unsafe { key_in(context.libssl, session) };
        key.map(|key| cache.take(&key))
    });
    let own = match taken {
        Some(None) => return false,
        Some(Some(own)) => own,
        None if key_of(&lent).is_none() => return false,
        None => None, // the cache is broken
    };
    let (gone, found) = if context.is_alone() {
        let found = own.is_some(); // no other process has the session, and there are no private ones
        (own, found)
    } else {
        let Some(key) = key_of(&lent) else {
            return false;
        };
        operations::remove_from_others(context, ctx, &key, own, is_called_by)
    };
    // Relaxed: a removal follows the lending in the same thread, or races with it in any order.
    if !found && context.lends.load(Ordering::Relaxed) {
        // The session may be lent to the host's cache. Then the host marks it and calls our remove callback.
        // SAFETY: the caller keeps `ctx` and the session alive; the function is of the libssl that made both.
        let remove = || unsafe { (context.libssl.SSL_CTX_remove_session)(ctx, session) };
        return freeing::for_good(remove) == 1;
    }
    context.mark_not_resumable(&lent);
    notify::removed_by_call(context, ctx, &lent, gone.as_ref());
    if let Some(key) = claimed {
        context.claims.release(&key);
    }
    drop(gone); // after the callback, as libssl does
    found
}

/// Lends a session to the host: puts it into the host's own cache. With early data and anti-replay the host accepts a
/// ticket only if its SSL_CTX_remove_session finds the session there right after the look-up.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`;
/// * `session` is null or a session of the same library, alive during the call.
pub unsafe fn lend(context: &Context, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
    context.lends.store(true, Ordering::Relaxed);
    // SAFETY: the caller keeps `session` alive during the call.
    let lent = unsafe { SessionRef::lend(context.libssl, session) };
    // No session of this id stays in our caches: a removal would find that one and not ask the host.
    let gone = lent
        .and_then(|session| key_of(&session))
        .map(|key| operations::remove_everywhere(context, ctx, &key, |_| false));
    // SAFETY: the caller keeps `ctx` and `session` alive; the host's cache takes a reference of its own.
    quietly(|| unsafe { context.libssl.add_to_host(ctx, session) });
    drop(gone);
}

/// Follows a removal by the host, which has marked the session not resumable.
///
/// # Safety
/// * `ctx` is the SSL_CTX of `context`;
/// * `session` is null or a session of the same library, alive during the call.
pub unsafe fn follow_removal(context: &Context, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
    // SAFETY: the caller keeps `session` alive while the reference is taken.
    let Some(session) = (unsafe { SessionRef::acquire(context.libssl, session) }) else {
        return;
    };
    let Some(key) = key_of(&session).filter(|key| !departing::is_departing(ctx, key)) else {
        return;
    };
    listing::release_due_tables();
    let (gone, _) = operations::remove_everywhere(context, ctx, &key, |_| true);
    notify::removed_by_call(context, ctx, &session, gone.as_ref());
    context.claims.release(&key);
    drop(gone); // after the callback, as libssl does
}
