//! The application's view of its cache: mode, size and counters, as it set them and as libssl would answer.

use core::ffi::{c_int, c_long, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use super::sharing::common;
use super::stats::sslcache_stats;
use super::store::Store;
use crate::host::abi::*;
use crate::host::types::SSL_CTX;
use crate::shm::Stats;

impl Store {
    /// Answers a session command of SSL_CTX_ctrl.
    pub fn ctrl(&self, ctx: *mut SSL_CTX, command: c_int, argument: c_long) -> c_long {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as c_long;
        match command {
            SSL_CTRL_SET_SESS_CACHE_SIZE => {
                let Ok(size) = usize::try_from(argument) else {
                    return 0;
                };
                let before = self.cache.capacity();
                self.cache.set_capacity(size);
                self.share_capacity(ctx, size);
                before as c_long
            }
            SSL_CTRL_GET_SESS_CACHE_SIZE => self.cache.capacity() as c_long,
            SSL_CTRL_SET_SESS_CACHE_MODE => {
                // libssl keeps the low 32 bits, unknown ones too.
                let before = self.mode.swap(argument as u32, Ordering::Relaxed);
                self.apply_mode(ctx);
                c_long::from(before)
            }
            SSL_CTRL_GET_SESS_CACHE_MODE => c_long::from(self.mode.load(Ordering::Relaxed)),
            SSL_CTRL_SESS_NUMBER => self.number(ctx) as c_long,
            SSL_CTRL_SESS_CB_HIT => count(&self.counters.cb_hits),
            // The host counts what a server refused to a client, and no look-ups, as it makes none.
            SSL_CTRL_SESS_MISSES => count(&self.counters.misses) + self.host_ctrl(ctx, command, 0),
            SSL_CTRL_SESS_CACHE_FULL => count(&self.counters.cache_full),
            // Handshakes, hits and timeouts are counted by the host as ever.
            _ => self.host_ctrl(ctx, command, argument),
        }
    }

    /// Sets the host's mode to the application's, less its own cache.
    pub fn apply_mode(&self, ctx: *mut SSL_CTX) {
        loop {
            let mode = self.working_mode();
            self.apply(ctx, mode);
            // Another thread may have set another mode, and applied it before us.
            if self.working_mode() == mode {
                return;
            }
        }
    }

    fn apply(&self, ctx: *mut SSL_CTX, mode: u32) {
        // UPDATE_TIME would change the time of a session lent to the host's cache for early data.
        let hosts = (mode | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR)
            & !SSL_SESS_CACHE_UPDATE_TIME;
        self.host_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, c_long::from(hosts));
    }

    pub(super) fn host_ctrl(&self, ctx: *mut SSL_CTX, command: c_int, argument: c_long) -> c_long {
        // SAFETY: the context is alive, and the commands used here take no pointer.
        unsafe { (self.libssl.SSL_CTX_ctrl)(ctx, command, argument, ptr::null_mut::<c_void>()) }
    }

    /// What sslcache_stats tells.
    pub fn stats(&self, ctx: *mut SSL_CTX) -> sslcache_stats {
        let cache = self.cache.counters();
        let region = common().map_or_else(Stats::default, |common| common.region.stats());
        sslcache_stats {
            sessions: self.number(ctx) as u64,
            capacity: self.cache.capacity() as u64,
            hits: cache.hits,
            misses: cache.misses,
            added: cache.inserted,
            replaced: cache.replaced,
            evicted: cache.evicted,
            expired: cache.expired,
            removed: cache.removed,
            refused: cache.refused,
            failures: self.counters.failures.load(Ordering::Relaxed),
            memory: self
                .caches()
                .iter()
                .map(|cache| cache.memory() as u64)
                .sum(),
            shared: self
                .reaches(ctx)
                .iter()
                .any(|reach| reach.share().is_some())
                .into(),
            region_gets: region.gets,
            region_hits: region.hits,
            region_absent: region.absent,
            region_expired: region.expired,
            region_undecodable: region.undecodable,
            region_puts: region.puts,
            region_refused: region.refused,
            region_evictions: region.evictions,
            region_takes: region.takes,
            region_time_outs: region.time_outs,
            region_recovered: region.recovered,
            region_rebuilt: region.rebuilt,
            region_records: region.records,
            region_bytes: region.bytes,
        }
    }
}
