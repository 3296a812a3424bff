//! SSL_CTX_sessions: making the table that it hands out, and releasing tables when they are due.

use core::ffi::c_long;
use core::ptr;
use core::sync::atomic::Ordering;

use super::local::Local;
use super::session::{key_of, now};
use super::sharing::scope;
use super::tables::{DUE, Snapshot};
use super::{Context, registry};
use crate::cache::BATCH;
use crate::host::SessionRef;
use crate::host::types::{OPENSSL_LHASH, SSL_CTX};
use crate::sys::guard::attempt;

/// Releases sessions that tables have kept alive for long enough. Every operation of a cache calls this, nearly always
/// with nothing due. The caller holds no lock, because sessions are freed.
#[inline]
pub fn release_due_tables() {
    // Relaxed: a thread that does not see a new value yet leaves the work to a later call.
    if DUE.load(Ordering::Relaxed) != i64::MAX {
        release_if_due();
    }
}

#[cold]
fn release_if_due() {
    let (due, now, relaxed) = (DUE.load(Ordering::Relaxed), now(), Ordering::Relaxed);
    // The exchange picks one of several threads that arrive together.
    if now < due
        || DUE
            .compare_exchange(due, i64::MAX, relaxed, relaxed)
            .is_err()
    {
        return;
    }
    for context in attempt(|| Some(registry::with_tables())).unwrap_or_default() {
        let Some((gone, due)) = attempt(|| tidy_tables(&context, now)) else {
            continue;
        };
        drop(gone); // outside the lock of the tables: frees sessions
        DUE.fetch_min(due, Ordering::Relaxed);
    }
}

/// The hash table of SSL_CTX_sessions, with all sessions. It belongs to the context, and stays valid for at least a minute
/// after a later call has returned another table. Null without memory.
pub fn sessions(context: &Context, ctx: *mut SSL_CTX) -> *mut OPENSSL_LHASH {
    let scopes = scope::each(context, ctx);
    let is_shared = scopes.iter().any(|scope| scope.partition().is_some());
    release_due_tables();
    let changes = context.changes();
    // Removals by other processes are not counted in `changes`, so the table of a shared cache is used for one second.
    if let Some(table) = context.snapshots.made_at(changes, now(), is_shared) {
        return table;
    }
    let (listed, complete) = context.while_none_moves(|| list(context));
    if !complete {
        context.failed();
        return ptr::null_mut();
    }
    let held = listed
        .into_iter()
        .filter(|(session, is_private)| *is_private || context.is_held(&scopes, session));
    let sessions = held.map(|(session, _)| session).collect();
    let table = Snapshot::new(context.host, context.libssl, sessions)
        .and_then(|snapshot| context.snapshots.supersede(changes, snapshot, now()));
    table.unwrap_or_else(|| {
        context.failed();
        ptr::null_mut()
    })
}

/// Takes the sessions out of a context's tables that need not stay, and tells the second in which there may be more.
fn tidy_tables(context: &Context, now: c_long) -> Option<(Vec<SessionRef>, c_long)> {
    let changes = context.changes();
    let is_cached = |session: &SessionRef| {
        key_of(session).is_some_and(|key| {
            let holds = |cache: &Local| cache.contains_same(&key, session);
            context.caches().into_iter().any(holds)
        })
    };
    let mut tables = context.snapshots.0.get()?.lock()?;
    Some(tables.tidy(changes, is_cached, now))
}

/// The sessions of all caches of this process, each with whether it is private; and whether the list is complete.
pub fn list(context: &Context) -> (Vec<(SessionRef, bool)>, bool) {
    let mut listed = Vec::new();
    for cache in context.caches() {
        let is_private = !ptr::eq(cache, &context.cache);
        let Some(mut batches) = context.with_cache(|_| cache.iter()) else {
            return (listed, false);
        };
        loop {
            // Before the batch is taken: it could not be dropped here, where a lock may be held.
            if listed.try_reserve(BATCH).is_err() {
                return (listed, false);
            }
            let Some(batch) = context.with_cache(|_| batches.next()).flatten() else {
                break;
            };
            listed.extend(batch.into_iter().map(|session| (session, is_private)));
        }
    }
    (listed, true)
}
