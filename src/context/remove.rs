//! Removing a session, as SSL_CTX_remove_session does; and lending one to the host, which removes it itself.

use core::sync::atomic::Ordering;

use super::session::key_of;
use super::sharing::operations;
use super::{Context, departing, freeing, listing, notify};
use crate::host::SessionRef;
use crate::host::locate::is_called_by;
use crate::host::types::*;
use crate::sys::guard::quietly;

/// Removes a session as SSL_CTX_remove_session does; whether its id was in the cache. It is marked not
/// resumable and the application told, in either case; but nothing happens while the application is being told
/// that this session leaves by itself.
///
/// # Safety
/// As for [`add`](super::add::add).
pub unsafe fn remove(context: &Context, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) -> bool {
    // The caller's own reference will do, as it does for libssl: after the callback it is not touched.
    // SAFETY: the caller's contract.
    let Some(session) = (unsafe { SessionRef::lend(context.libssl, session) }) else {
        return false;
    };
    let Some(key) = key_of(&session).filter(|key| !departing::is_departing(ctx, key)) else {
        return false;
    };
    listing::release_due_tables();
    let (gone, found) = operations::remove_everywhere(context, ctx, &key, is_called_by);
    // Relaxed: a removal that matters follows the lending in one thread, or races with it anyway.
    if !found && context.lends.load(Ordering::Relaxed) {
        // It may be lent to the host's cache. The host marks it, and tells our remove callback.
        // SAFETY: the caller's contract.
        let remove = || unsafe { (context.libssl.SSL_CTX_remove_session)(ctx, session.as_ptr()) };
        return freeing::for_good(remove) == 1;
    }
    context.mark(&session);
    notify::removed_by_call(context, ctx, &session, gone.as_ref());
    context.claims.release(&key);
    drop(gone); // after the callback, as libssl does
    found
}

/// Puts a session into the host's own cache. With early data and anti-replay the host accepts a ticket
/// only if its SSL_CTX_remove_session finds the session there, right after the look-up.
///
/// # Safety
/// As for [`add`](super::add::add).
pub unsafe fn lend(context: &Context, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
    context.lends.store(true, Ordering::Relaxed);
    // SAFETY: the caller's contract.
    let lent = unsafe { SessionRef::lend(context.libssl, session) };
    // Nothing of its id stays here, where the removal would find that and leave the host alone.
    let gone = lent
        .and_then(|session| key_of(&session))
        .map(|key| operations::remove_everywhere(context, ctx, &key, |_| false));
    // SAFETY: the caller's contract.
    quietly(|| unsafe { context.libssl.add_to_host(ctx, session) });
    drop(gone);
}

/// Follows a removal that the host has done itself: it has marked the session.
///
/// # Safety
/// As for [`add`](super::add::add).
pub unsafe fn follow_removal(context: &Context, ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
    // SAFETY: the caller's contract.
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
