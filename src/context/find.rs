//! Finding the session that a client offers.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use super::alike::decide::is_for;
use super::alike::rule::Terms;
use super::session::{Usage, key_of};
use super::sharing::operations;
use super::sharing::state::Scope;
use super::{Context, listing, notify};
use crate::cache::Key;
use crate::host::SessionRef;
use crate::host::abi::SSL_SESS_CACHE_NO_INTERNAL_LOOKUP;
use crate::host::types::SSL_CTX;

/// Looks an id up for a ClientHello, if the mode allows it. If `usage` consumes the session, only one of several
/// connections that offer it gets it, in all processes.
pub fn find(
    context: &Context,
    ctx: *mut SSL_CTX,
    scope: Scope,
    key: &Key,
    usage: Usage,
    terms: &Terms,
) -> Option<SessionRef> {
    if context.mode_has(SSL_SESS_CACHE_NO_INTERNAL_LOOKUP) {
        return None;
    }
    if context.is_strict() && !cached_is_for(context, key, terms) {
        context.count_miss();
        return None;
    }
    listing::release_due_tables();
    let found = if !matches!(scope, Scope::Own) || context.may_group() {
        operations::find_shared(context, ctx, scope, key, usage, terms)
    } else {
        let found = context.look_up(&context.cache, key, usage);
        // After a fork since the scope was determined, the child has a copy of the session that was just taken out, and
        // could consume it a second time.
        let lost = usage.consumes() && context.has_forked();
        found.filter(|session| {
            if lost {
                notify::removed(context, ctx, session);
            }
            !lost
        })
    };
    // A session whose id or version was changed while it was cached is found under neither, as in libssl.
    let found = found.filter(|session| key_of(session).as_ref() == Some(key));
    // divergence: libssl resumes a session that was removed and then added again, though the removal
    // marked it not resumable. The host refuses a marked session that comes from a callback, so that is a miss.
    let Some(session) = found else {
        context.count_miss();
        return None;
    };
    if context.host.kind.refuses(&session) {
        context.count_miss();
        context
            .counters
            .misses_marked
            .fetch_add(1, Ordering::Relaxed);
        if usage.consumes() {
            notify::removed(context, ctx, &session);
        }
        return None;
    }
    context.counters.hits.fetch_add(1, Ordering::Relaxed);
    context.count_age(session.time_and_timeout().0);
    Some(session)
}

/// Whether the session that this process has under an id, if any, is for a connection on these terms.
fn cached_is_for(context: &Context, key: &Key, terms: &Terms) -> bool {
    let found = |cache: &'_ _| context.look_up(cache, key, Usage::Once);
    let mut own = context.caches().into_iter().filter_map(found);
    // SAFETY: each SessionRef holds a session of the context's host.
    own.all(|session| unsafe { is_for(context, session.as_ptr(), terms) })
}

/// Whether the cache has a session of this id and protocol version.
pub fn contains(context: &Context, ctx: *mut SSL_CTX, id: &[u8], version: c_int) -> bool {
    Key::new(id, version).is_some_and(|key| operations::contains_key(context, ctx, &key))
}
