//! The exports beyond libssl's interface: version and statistics.

use core::ffi::{c_char, c_int};
use core::sync::atomic::Ordering;
use core::{mem, ptr};

use super::attach::attached;
use crate::context::Context;
use crate::context::sharing::common::common;
use crate::context::sharing::{operations, scope};
use crate::host::types::SSL_CTX;
use crate::shm::Stats;
use crate::sys::guard::passage;

/// The contents and the history of the cache of one SSL_CTX, as sslcache_stats returns them. The counters of the context
/// begin at 0 when it is made, those of the shared memory (region_) when that is made. No counter is ever reset.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sslcache_stats {
    /// Sessions in the cache now, as SSL_CTX_sess_number counts them.
    pub sessions: u64,
    /// The most sessions that the cache may hold, as SSL_CTX_sess_get_cache_size returns it; 0 means no limit.
    pub capacity: u64,
    /// Look-ups that found a session.
    pub hits: u64,
    /// Look-ups that found no session.
    pub misses: u64,
    /// Sessions stored under an id and protocol version that the cache did not have.
    pub added: u64,
    /// Sessions that took the place of another object with the same id and protocol version.
    pub replaced: u64,
    /// Sessions that left because the cache was full.
    pub evicted: u64,
    /// Sessions that a flush or automatic clearing removed because they had expired.
    pub expired: u64,
    /// Sessions that were removed one by one, or consumed by early data.
    pub removed: u64,
    /// Sessions that were not stored because memory was short, or because a fork had made a part of the cache unusable in
    /// this process.
    pub refused: u64,
    /// Errors inside sslcache. The only effect of each was a miss or a session that was not stored.
    pub failures: u64,
    /// Bytes that the cache occupies in this process, without the sessions themselves.
    pub memory: u64,
    /// 1 if other processes or other contexts share the sessions of this context, 0 otherwise.
    pub shared: u64,
    /// Look-ups in the shared memory. This and all fields below count for all processes and contexts that share it, and are
    /// 0 if no memory is shared.
    pub region_gets: u64,
    /// Look-ups in the shared memory that found a session.
    pub region_hits: u64,
    /// Look-ups in the shared memory that found no session of this id in this context.
    pub region_absent: u64,
    /// Look-ups in the shared memory that found a session which had expired.
    pub region_expired: u64,
    /// Records in the shared memory that were incomplete or could not be decoded.
    pub region_undecodable: u64,
    /// Sessions stored in the shared memory.
    pub region_puts: u64,
    /// Sessions not stored in the shared memory because they were too long, found no room, or got no lock in time.
    pub region_refused: u64,
    /// Sessions that left the shared memory to make room for others.
    pub region_evictions: u64,
    /// Sessions that early data has consumed in the shared memory.
    pub region_takes: u64,
    /// Calls that gave up because another process held a lock of the shared memory for too long.
    pub region_time_outs: u64,
    /// Locks taken over from a process that had died or had held one for too long.
    pub region_recovered: u64,
    /// Parts of the shared memory that were found inconsistent and were rebuilt from the sessions in them.
    pub region_rebuilt: u64,
    /// Sessions in the shared memory now, of all contexts.
    pub region_records: u64,
    /// Bytes that the sessions in the shared memory occupy now.
    pub region_bytes: u64,
}

/// Returns the version of sslcache, such as "0.1.0". The string is static and must not be freed. A program that is not
/// linked with sslcache can look this symbol up with dlsym(3) to learn whether sslcache is in the process.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sslcache_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Fills in stats with the contents and the history of the cache of ctx.
///
/// size is sizeof(struct sslcache_stats) as the program was compiled. No more than that is written, so a library that
/// is newer than the program may have more fields. Fields that the library does not have are set to 0.
///
/// Returns 1 on success. Returns 0, and leaves stats as it was, if ctx or stats is NULL, or if sslcache does not keep
/// the cache of ctx: ctx was made before sslcache was loaded, or by a libssl that sslcache does not take over.
///
/// Other threads may use the cache meanwhile, so the numbers need not agree with each other to the last session.
///
/// # Safety
/// * `ctx` is null or a live context;
/// * `stats` is null or has room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sslcache_stats(
    ctx: *mut SSL_CTX,
    stats: *mut sslcache_stats,
    size: usize,
) -> c_int {
    passage(0, || {
        if stats.is_null() {
            return None;
        }
        // SAFETY: the context outlives the call.
        let known = stats_of(unsafe { attached(ctx) }?, ctx);
        let common = size.min(mem::size_of::<sslcache_stats>());
        // SAFETY: the caller's `stats` has room for `size` bytes, and `known` has at least `common`.
        unsafe {
            let place = stats.cast::<u8>();
            ptr::copy_nonoverlapping((&raw const known).cast::<u8>(), place, common);
            ptr::write_bytes(place.add(common), 0, size - common);
        }
        Some(1)
    })
}

/// The values that sslcache_stats returns.
fn stats_of(context: &Context, ctx: *mut SSL_CTX) -> sslcache_stats {
    let cache = context.cache.counters();
    let region = common().map_or_else(Stats::default, |common| common.region.stats());
    sslcache_stats {
        sessions: operations::number(context, ctx) as u64,
        capacity: context.cache.capacity() as u64,
        hits: cache.hits,
        misses: cache.misses,
        added: cache.inserted,
        replaced: cache.replaced,
        evicted: cache.evicted,
        expired: cache.expired,
        removed: cache.removed,
        refused: cache.refused,
        failures: context.counters.failures.load(Ordering::Relaxed),
        memory: context
            .caches()
            .iter()
            .map(|cache| cache.memory() as u64)
            .sum(),
        shared: scope::each(context, ctx)
            .iter()
            .any(|scope| scope.partition().is_some())
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
