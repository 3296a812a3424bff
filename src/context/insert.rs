//! Inserting a session into a cache of this process, and the steps that follow each insertion.

use core::ffi::c_long;
use core::sync::atomic::Ordering;

use super::Context;
use super::local::Local;
use super::{ending, notify, registry};
use crate::cache::{ClientHistory, Expiry, Inserted, Key, Outcome};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;

/// Inserts a session into one of the caches of this process; `true` if it was new to that cache.
#[inline(always)]
pub fn insert(
    context: &Context,
    ctx: *mut SSL_CTX,
    cache: &Local,
    (key, session): (Key, SessionRef),
    expiry: Expiry,
    history: ClientHistory,
    now: c_long,
) -> bool {
    // Acquire: pairs with the AcqRel in `finish`; a thread that sees `populated` sees the number under which the caches
    // are listed.
    if !context.populated.load(Ordering::Acquire) {
        registry::note_sessions_of(ctx);
    }
    let inserted = context.with_cache(|_| cache.insert(key, session, expiry, history, now));
    finish(context, ctx, inserted)
}

/// Does what follows an insertion, without a lock: tells the application of evicted sessions and prepares the context at
/// its first session. `true` if the session was new to the cache.
#[inline(always)]
pub fn finish(
    context: &Context,
    ctx: *mut SSL_CTX,
    inserted: Option<Inserted<SessionRef>>,
) -> bool {
    let Some(inserted) = inserted else {
        return false;
    };
    inserted.evicted.for_each(|victim| {
        context.counters.cache_full.fetch_add(1, Ordering::Relaxed);
        // divergence: libssl marks an evicted session not resumable, although a connection may hold it and be
        // resuming it. It left only for lack of room, so it is not marked.
        notify::departed(context, ctx, &victim);
    });
    // The swap picks one of several threads that arrive together.
    if !context.populated.load(Ordering::Relaxed) && !context.populated.swap(true, Ordering::AcqRel)
    {
        context.note_inheritance();
        ending::watch_for_the_end(context, ctx);
    }
    ending::goes_on(context, ctx);
    match inserted.outcome {
        // The replaced session is released without a callback, and stays resumable.
        Outcome::Added | Outcome::Replaced(_) => true,
        Outcome::AlreadyCached(_) => false,
        Outcome::Refused(_) => {
            context.failed();
            false
        }
    }
}
