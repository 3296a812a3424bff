//! Clearing sessions away: flushes, asked for and automatic.

use core::ffi::c_long;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::store::{Store, now};
use crate::cache::{Flush, Sweep};
use crate::host::SessionRef;
use crate::host::abi::*;
use crate::host::types::SSL_CTX;

/// How many expired sessions one handshake may clear away, give or take a batch; the rest waits for the next
/// one, so that no handshake pays for a crowd that expired at once.
const AUTO_CLEAR_MOST: usize = 1024;

/// When expired sessions are cleared away by themselves.
#[derive(Default)]
pub struct AutoClear {
    /// How many times 256 handshakes were done when it last began, for clients and for servers.
    epochs: [AtomicU32; 2],
    /// Whether it has more to do.
    unfinished: AtomicBool,
}

impl Store {
    /// Removes what had expired at second `t`; everything where `t` is 0.
    pub fn flush(&self, ctx: *mut SSL_CTX, t: c_long) {
        let which = if t == 0 {
            Flush::Everything
        } else {
            Flush::ExpiredBefore(t)
        };
        let Some(mut sweep) = self.with_cache(|cache| cache.flush(which)) else {
            return;
        };
        while self.flush_batch(ctx, &mut sweep).is_some() {}
        if t == 0 {
            self.snapshots.empty();
        }
    }

    /// One batch of a flush: how many left, or `None` at its end.
    fn flush_batch(&self, ctx: *mut SSL_CTX, sweep: &mut Sweep<'_, SessionRef>) -> Option<usize> {
        let batch = self.with_cache(|_| sweep.next()).flatten()?;
        let left = batch.len();
        for session in batch {
            self.mark(&session);
            self.removed(ctx, session.as_ptr());
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
        let Some(mut sweep) = self.with_cache(|cache| cache.flush(Flush::ExpiredBefore(now())))
        else {
            return;
        };
        let mut cleared = 0;
        while cleared < AUTO_CLEAR_MOST {
            match self.flush_batch(ctx, &mut sweep) {
                Some(left) => cleared += left,
                None => return,
            }
        }
        self.auto_clear.unfinished.store(true, Ordering::Relaxed);
    }
}
