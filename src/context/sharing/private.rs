//! Private sessions: they stay in this process, and the region has no part in them.

use core::sync::atomic::Ordering;

use crate::cache::{Arrival, ClientHistory, Evicted, Key};
use crate::context::alike::decide::is_for;
use crate::context::alike::rule::Terms;
use crate::context::local::Local;
use crate::context::session::{Usage, expiry_of, key_of, now};
use crate::context::{Context, insert};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;
use crate::sys::forks::this_process;

/// The private sessions that only this process has.
pub fn own_private(context: &Context, ctx: *mut SSL_CTX) -> &Local {
    let private = &context.sharing.private;
    // Acquire: pairs with the Release in `inherit_private`, so the parent's sessions are gone from `own`.
    if private.owner.load(Ordering::Acquire) != this_process() {
        inherit_private(context, ctx);
    }
    for (process, session) in private.pending.take() {
        // What was pending at a fork the parent keeps, too.
        let to = match process == this_process() {
            true => &private.own,
            false => &private.inherited,
        };
        make_private(context, ctx, &session, &context.cache, to);
    }
    &private.own
}

/// Moves the sessions that the parent had in `own` at the fork to `inherited`. Of threads that arrive together each does
/// the work, so that none goes on before it is done.
#[cold]
fn inherit_private(context: &Context, ctx: *mut SSL_CTX) {
    let private = &context.sharing.private;
    if let Some(batches) = context.with_cache(|_| private.own.iter()) {
        for session in batches.flatten() {
            // Another thread has finished, and may have added sessions of this process already.
            if private.owner.load(Ordering::Acquire) == this_process() {
                return;
            }
            make_private(context, ctx, &session, &private.own, &private.inherited);
        }
    }
    private.owner.store(this_process(), Ordering::Release);
}

/// Moves a session to one of the private caches, if it is still there.
pub fn make_private(
    context: &Context,
    ctx: *mut SSL_CTX,
    session: &SessionRef,
    from: &Local,
    to: &Local,
) {
    let Some(key) = key_of(session) else { return };
    let (expiry, now) = (expiry_of(session), now());
    let mut evicted = Evicted::none();
    let inserted = {
        let mut moves = context.sharing.private.moves.lock();
        let moved = context.with_cache(|_| from.remove_if_same(&key, session));
        let Some(session) = moved.flatten() else {
            return;
        };
        if let Some(moves) = &mut moves {
            **moves = moves.wrapping_add(1);
        }
        let arrival = Arrival {
            key: &key,
            value: &session,
            expiry,
            history: ClientHistory::Returning,
            now,
        };
        context.with_cache(|_| to.insert(&arrival, &mut evicted))
    };
    insert::finish(context, ctx, inserted, evicted); // not under the lock: it calls the application
}

/// Looks an id up among the private sessions. The inner `None`: there is one, but this connection may not have it.
pub fn find_private(
    context: &Context,
    ctx: *mut SSL_CTX,
    key: &Key,
    usage: Usage,
    terms: &Terms,
) -> Option<Option<SessionRef>> {
    // SAFETY: the SessionRef holds a session of the context's host.
    let is_for = |session: &SessionRef| unsafe { is_for(context, session.as_ptr(), terms) };
    if let Some(session) = context.look_up(own_private(context, ctx), key, usage) {
        return Some(Some(session).filter(is_for));
    }
    let session = context.look_up(context.inherited_private(), key, usage.without_consuming())?;
    Some(Some(session).filter(|session| !usage.consumes() && is_for(session)))
}
