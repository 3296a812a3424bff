//! Clearing sessions away: flushes, asked for and automatic.

use core::ffi::c_long;
use core::sync::atomic::Ordering;

use super::local::Flushing;
use super::session::now;
use super::sharing::scope;
use super::sharing::state::Scope;
use super::{Context, ending, listing, notify};
use crate::cache::Flush;
use crate::host::abi::*;
use crate::host::types::SSL_CTX;
use crate::sys::guard::attempt;

/// How many expired sessions one handshake may clear away, give or take a batch; the rest waits for the next
/// one, so that no handshake pays for a crowd that expired at once.
const AUTO_CLEAR_MOST: usize = 1024;

/// How many seconds lie at least between two such clearings of the region by one process.
const CLEAR_REGION_SECONDS: c_long = 60;

/// Removes what had expired at second `t`; everything where `t` is 0. In all processes, unless the context dies.
pub fn flush(context: &Context, ctx: *mut SSL_CTX, t: c_long) {
    listing::release_due_tables();
    if t == 0 {
        ending::note_the_end(context, ctx);
    }
    flush_own(context, ctx, t);
    if !context.is_ending() {
        let now = now();
        for scope in scope::each(context, ctx) {
            let Some(partition) = scope.partition() else {
                continue;
            };
            if t != 0 && t <= now {
                attempt(|| Some(partition.clear_expired(t)));
                continue;
            }
            context.end_migration();
            attempt(|| Some(partition.flush((t != 0).then_some(t))));
        }
    }
}

/// The same, in this process alone.
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

/// One batch of a flush: how many left, or `None` at its end.
fn flush_batch(context: &Context, ctx: *mut SSL_CTX, sweep: &mut Flushing<'_>) -> Option<usize> {
    let batch = context.with_cache(|_| sweep.next()).flatten()?;
    let left = batch.len();
    for session in batch {
        context.mark(&session);
        notify::departed(context, ctx, &session);
    }
    Some(left)
}

/// The host has removed the sentinel, and with it all that is in its own cache.
pub fn sentinel_left(context: &Context, ctx: *mut SSL_CTX) {
    flush(context, ctx, 0);
    if !context.is_ending() {
        // Not put back here: the host may be holding the lock of its cache.
        context
            .ending
            .sentinel_is_out
            .store(true, Ordering::Relaxed);
    }
}

/// Clears away expired sessions at every 255th good handshake, unless NO_AUTO_CLEAR.
///
/// divergence: libssl flushes when exactly 255 modulo 256 are done, all at once. We are not called at
/// each handshake, so it happens at the first chance from then on, and in slices.
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
    // Relaxed: of threads that arrive together one does it; nothing else is ordered by it.
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

/// Clears expired sessions from the region; seldom, as each process does it.
fn clear_region(context: &Context, ctx: *mut SSL_CTX) {
    let (now, last) = (now(), &context.auto_clear.region_cleared);
    let before = last.load(Ordering::Relaxed);
    // A time to come was noted before the clock was set back.
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
