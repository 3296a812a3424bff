//! Inserting a session into a cache of this process, and the steps that follow each insertion.

use core::mem;
use core::sync::atomic::Ordering;

use super::Context;
use super::local::Local;
use super::{ending, notify, registry};
use crate::cache::{Arrival, Evicted, Outcome};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;

/// Inserts a session into one of the caches of this process; `true` if it was new to that cache.
pub fn insert(
    context: &Context,
    ctx: *mut SSL_CTX,
    cache: &Local,
    arrival: &Arrival<'_, SessionRef>,
) -> bool {
    let put = |evicted: &mut Evicted<SessionRef>| Some(cache.insert(arrival, evicted));
    insert_by(context, ctx, || true, put)
}

/// Does what [`insert`] does by means of `put`, which inserts a session if there is one to insert; before the first one of a context
/// `can_be_kept` tells whether there is. Neither calls code of the application.
#[inline(always)]
pub fn insert_by(
    context: &Context,
    ctx: *mut SSL_CTX,
    can_be_kept: impl FnOnce() -> bool,
    put: impl FnOnce(&mut Evicted<SessionRef>) -> Option<Outcome<SessionRef>>,
) -> bool {
    // Acquire: pairs with the AcqRel in `finish`; a thread that sees `populated` sees the number under which the caches
    // are listed.
    if !context.populated.load(Ordering::Acquire) {
        if !can_be_kept() {
            return false;
        }
        registry::note_sessions_of(ctx);
    }
    let mut evicted = Evicted::none();
    let outcome = context.with_cache(|_| put(&mut evicted)).flatten();
    finish(context, ctx, outcome, evicted)
}

/// Does what follows an insertion, without a lock: tells the application of evicted sessions and prepares the context at
/// its first session. `true` if the session was new to the cache.
#[inline(always)]
pub fn finish(
    context: &Context,
    ctx: *mut SSL_CTX,
    outcome: Option<Outcome<SessionRef>>,
    evicted: Evicted<SessionRef>,
) -> bool {
    if evicted.is_empty() {
        mem::forget(evicted); // there is nothing to drop
    } else {
        tell_of(context, ctx, evicted);
    }
    let Some(outcome) = outcome else {
        return false;
    };
    // The swap picks one of several threads that arrive together. Relaxed: the swap decides.
    if !context.populated.load(Ordering::Relaxed) && !context.populated.swap(true, Ordering::AcqRel)
    {
        context.note_inheritance();
        ending::watch_for_the_end(context, ctx);
    }
    ending::goes_on(context, ctx);
    if let Outcome::Refused = outcome {
        context.failed();
    }
    // A replaced session is released without a callback, and stays resumable.
    matches!(outcome, Outcome::Added | Outcome::Replaced(_))
}

/// Tells the application of the sessions that have left for others.
#[inline]
fn tell_of(context: &Context, ctx: *mut SSL_CTX, evicted: Evicted<SessionRef>) {
    evicted.for_each(|victim| {
        context.counters.cache_full.fetch_add(1, Ordering::Relaxed);
        // divergence: libssl marks an evicted session not resumable, although a connection may hold it and be
        // resuming it. It left only for lack of room, so it is not marked.
        notify::departed(context, ctx, &victim);
    });
}
