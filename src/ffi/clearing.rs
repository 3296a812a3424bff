//! Clearing sessions away: flushes, asked for and automatic.

use core::ffi::c_long;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use super::guard::attempt;
use super::local::Flushing;
use super::sharing::Reach;
use super::snapshot;
use super::store::{Store, now};
use crate::cache::Flush;
use crate::host::abi::*;
use crate::host::types::SSL_CTX;

/// How many expired sessions one handshake may clear away, give or take a batch; the rest waits for the next
/// one, so that no handshake pays for a crowd that expired at once.
const AUTO_CLEAR_MOST: usize = 1024;

/// How many seconds lie at least between two such clearings of the region by one process.
const CLEAR_REGION_SECONDS: c_long = 60;

/// When expired sessions are cleared away by themselves.
#[derive(Default)]
pub struct AutoClear {
    /// How many times 256 handshakes were done when it last began, for clients and for servers.
    epochs: [AtomicU32; 2],
    /// Whether it has more to do.
    unfinished: AtomicBool,
    /// The second in which the region was last cleared.
    region_cleared: AtomicI64,
}

impl Store {
    /// Removes what had expired at second `t`; everything where `t` is 0. In all processes, unless the context dies.
    pub fn flush(&self, ctx: *mut SSL_CTX, t: c_long) {
        snapshot::let_go_in_time();
        if t == 0 {
            self.note_the_end(ctx);
        }
        self.flush_own(ctx, t);
        if !self.is_ending() {
            let now = now();
            for reach in self.reaches(ctx) {
                let Some(share) = reach.share() else { continue };
                if t != 0 && t <= now {
                    attempt(|| Some(share.clear_expired(t)));
                    continue;
                }
                self.end_handing_over();
                attempt(|| Some(share.flush((t != 0).then_some(t))));
            }
        }
    }

    /// The same, in this process alone.
    pub fn flush_own(&self, ctx: *mut SSL_CTX, t: c_long) {
        let which = if t == 0 {
            Flush::Everything
        } else {
            Flush::ExpiredBefore(t)
        };
        for cache in self.caches() {
            let Some(mut sweep) = self.with_cache(|_| cache.flush(which)) else {
                return;
            };
            while self.flush_batch(ctx, &mut sweep).is_some() {}
        }
        if t == 0 {
            self.snapshots.empty();
        }
    }

    /// One batch of a flush: how many left, or `None` at its end.
    fn flush_batch(&self, ctx: *mut SSL_CTX, sweep: &mut Flushing<'_>) -> Option<usize> {
        let batch = self.with_cache(|_| sweep.next()).flatten()?;
        let left = batch.len();
        for session in batch {
            self.mark(&session);
            self.left(ctx, &session);
        }
        Some(left)
    }

    /// Clears away expired sessions at every 255th good handshake, unless NO_AUTO_CLEAR.
    ///
    /// divergence: libssl flushes when exactly 255 modulo 256 are done, all at once. We are not called at
    /// each handshake, so it happens at the first chance from then on, and in slices.
    pub fn auto_clear(&self, ctx: *mut SSL_CTX, is_server: bool) {
        let (side, good) = if is_server {
            (SSL_SESS_CACHE_SERVER, SSL_CTRL_SESS_ACCEPT_GOOD)
        } else {
            (SSL_SESS_CACHE_CLIENT, SSL_CTRL_SESS_CONNECT_GOOD)
        };
        if self.mode_has(SSL_SESS_CACHE_NO_AUTO_CLEAR) || !self.mode_has(side) {
            return;
        }
        let epoch = (self.host_ctrl(ctx, good, 0) as u32).wrapping_add(1) >> 8;
        // Relaxed: of threads that arrive together one does it; nothing else is ordered by it.
        let begun = self.auto_clear.epochs[usize::from(is_server)].swap(epoch, Ordering::Relaxed);
        if begun == epoch && !self.auto_clear.unfinished.load(Ordering::Relaxed) {
            return;
        }
        self.auto_clear.unfinished.store(false, Ordering::Relaxed);
        self.clear_region(ctx);
        let mut cleared = 0;
        for cache in self.caches() {
            let expired = Flush::ExpiredBefore(now());
            let Some(mut sweep) = self.with_cache(|_| cache.flush(expired)) else {
                return;
            };
            while let Some(left) = self.flush_batch(ctx, &mut sweep) {
                cleared += left;
                if cleared >= AUTO_CLEAR_MOST {
                    self.auto_clear.unfinished.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    }

    /// Clears expired sessions from the region; seldom, as each process does it.
    fn clear_region(&self, ctx: *mut SSL_CTX) {
        let (now, last) = (now(), &self.auto_clear.region_cleared);
        let before = last.load(Ordering::Relaxed);
        // A time to come was noted before the clock was set back.
        let due = !(0..CLEAR_REGION_SECONDS).contains(&now.saturating_sub(before));
        let relaxed = Ordering::Relaxed;
        if due && last.compare_exchange(before, now, relaxed, relaxed).is_ok() {
            for share in self.reaches(ctx).into_iter().filter_map(Reach::share) {
                attempt(|| Some(share.clear_expired(now)));
            }
        }
    }
}
