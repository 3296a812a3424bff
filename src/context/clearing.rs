//! Flushes: those that the application asks for, and the automatic ones at every 255th handshake.

use core::ffi::c_long;
use core::sync::atomic::Ordering;

use super::local::Flushing;
use super::session::now;
use super::sharing::state::Scope;
use super::sharing::{abroad, scope};
use super::{Context, ending, listing, notify};
use crate::cache::Flush;
use crate::host::abi::*;
use crate::host::types::SSL_CTX;
use crate::sys::guard::attempt;

/// One handshake clears about this many expired sessions at most. The rest waits for the next handshake, so that none
/// pays for many sessions that expired at once.
const AUTO_CLEAR_MOST: usize = 1024;

/// At least this many seconds lie between two automatic clearings of the region by one process.
const CLEAR_REGION_SECONDS: c_long = 60;

/// Removes the sessions that had expired at second `t`, or all if `t` is 0: in this process and in the region. A context
/// that is being freed leaves the region alone, because other processes go on using it.
pub fn flush(context: &Context, ctx: *mut SSL_CTX, t: c_long) {
    listing::release_due_tables();
    if t == 0 {
        ending::note_the_end(context, ctx);
    }
    flush_own(context, ctx, t);
    if !context.is_ending() {
        let now = now();
        let present = scope::each(context, ctx).into_iter();
        let present = present.filter_map(Scope::partition);
        for partition in present.chain(context.former_partitions()) {
            if t != 0 && t <= now {
                attempt(|| Some(partition.clear_expired(t)));
                continue;
            }
            context.end_migration();
            abroad::flush(context, &partition);
            attempt(|| Some(partition.flush((t != 0).then_some(t))));
        }
    }
}

/// Runs `change`, by which the application may switch on a cache that was forced on it. What was cached until then libssl
/// would not have, and the application was never told of it: it leaves without a word.
pub fn while_forced_may_end<T>(context: &Context, change: impl FnOnce() -> T) -> T {
    let was_forced = context.is_forced();
    let result = change();
    if was_forced && !context.is_forced() {
        ending::drop_sessions(context);
    }
    result
}

/// Does the flush in the caches of this process only.
pub fn flush_own(context: &Context, ctx: *mut SSL_CTX, t: c_long) {
    let which = if t == 0 {
        Flush::Everything
    } else {
        Flush::ExpiredBefore(t)
    };
    for cache in context.caches() {
        let Some(mut sweep) = context.with_cache(|_| cache.flush(which)) else {
            return;
        };
        while flush_batch(context, ctx, &mut sweep).is_some() {}
    }
    if t == 0 {
        context.snapshots.empty();
    }
}

/// Does one batch of a flush and returns how many sessions left; `None` at the end.
fn flush_batch(context: &Context, ctx: *mut SSL_CTX, sweep: &mut Flushing<'_>) -> Option<usize> {
    let batch = context.with_cache(|_| sweep.next()).flatten()?;
    let left = batch.len();
    batch
        .iter()
        .for_each(|session| context.host.mark.fetch(session));
    for session in batch {
        context.mark_not_resumable(&session);
        notify::departed(context, ctx, &session);
    }
    Some(left)
}

/// Handles the removal of the sentinel, which means that the host has emptied its own cache.
pub fn sentinel_left(context: &Context, ctx: *mut SSL_CTX) {
    flush(context, ctx, 0);
    if !context.is_ending() {
        // The sentinel is put back later: the host may be holding the lock of its cache.
        context
            .ending
            .sentinel_is_out
            .store(true, Ordering::Relaxed);
    }
}

/// Clears expired sessions at every 255th good handshake, unless the mode has SSL_SESS_CACHE_NO_AUTO_CLEAR.
///
/// divergence: libssl flushes when the number of good handshakes is 255 modulo 256, and everything at once. We are not
/// called at each handshake, so we flush at the first chance from then on, and in slices.
pub fn auto_clear(context: &Context, ctx: *mut SSL_CTX, is_server: bool) {
    let (side, good) = if is_server {
        (SSL_SESS_CACHE_SERVER, SSL_CTRL_SESS_ACCEPT_GOOD)
    } else {
        (SSL_SESS_CACHE_CLIENT, SSL_CTRL_SESS_CONNECT_GOOD)
    };
    if context.mode_has(SSL_SESS_CACHE_NO_AUTO_CLEAR) || !context.mode_has(side) {
        return;
    }
    let epoch = (context.host_ctrl(ctx, good, 0) as u32).wrapping_add(1) >> 8;
    // Relaxed: the swap picks one of several threads that arrive together, and orders nothing else.
    let begun = context.auto_clear.epochs[usize::from(is_server)].swap(epoch, Ordering::Relaxed);
    if begun == epoch && !context.auto_clear.unfinished.load(Ordering::Relaxed) {
        return;
    }
    context
        .auto_clear
        .unfinished
        .store(false, Ordering::Relaxed);
    clear_region(context, ctx);
    let mut cleared = 0;
    for cache in context.caches() {
        let expired = Flush::ExpiredBefore(now());
        let Some(mut sweep) = context.with_cache(|_| cache.flush(expired)) else {
            return;
        };
        while let Some(left) = flush_batch(context, ctx, &mut sweep) {
            cleared += left;
            if cleared >= AUTO_CLEAR_MOST {
                context.auto_clear.unfinished.store(true, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// Clears expired sessions from the region, but seldom, because each process does it.
fn clear_region(context: &Context, ctx: *mut SSL_CTX) {
    let (now, last) = (now(), &context.auto_clear.region_cleared);
    let before = last.load(Ordering::Relaxed);
    // A `before` in the future was noted before the clock was set back.
    let due = !(0..CLEAR_REGION_SECONDS).contains(&now.saturating_sub(before));
    let relaxed = Ordering::Relaxed;
    if due && last.compare_exchange(before, now, relaxed, relaxed).is_ok() {
        for partition in scope::each(context, ctx)
            .into_iter()
            .filter_map(Scope::partition)
        {
            attempt(|| Some(partition.clear_expired(now)));
        }
    }
}
