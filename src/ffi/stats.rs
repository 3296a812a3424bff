//! What a program may ask of us beyond libssl's interface.

use core::ffi::{c_char, c_int};
use core::{mem, ptr};

use super::attach::attached;
use super::guard::passage;
use crate::host::types::SSL_CTX;

/// What the cache of one SSL_CTX holds and has done since it was made.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sslcache_stats {
    /// Sessions cached now; SSL_CTX_sess_number.
    pub sessions: u64,
    /// How many there may be; 0 for no limit; SSL_CTX_sess_get_cache_size.
    pub capacity: u64,
    /// Look-ups that found a session.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Sessions added under a new id.
    pub added: u64,
    /// Sessions that took the place of another object with the same id.
    pub replaced: u64,
    /// Sessions that left because the cache was full.
    pub evicted: u64,
    /// Sessions that a flush let go because they had expired.
    pub expired: u64,
    /// Sessions taken out by id: removed, or used once.
    pub removed: u64,
    /// Sessions not added: memory was short, or a part of the cache was lost to a fork.
    pub refused: u64,
    /// Anything that went wrong in sslcache. Each was a miss or a session not cached, and nothing worse.
    pub failures: u64,
    /// Bytes that the cache takes, beyond the sessions themselves.
    pub memory: u64,
    /// 1 where other processes or other contexts share the sessions of this one, else 0.
    pub shared: u64,
    /// What all of them have done in the memory that they share, for all contexts; 0 where there is none: look-ups,
    pub region_gets: u64,
    /// ... those that found a session,
    pub region_hits: u64,
    /// ... that found none of this id in this context,
    pub region_absent: u64,
    /// ... that found one that had expired.
    pub region_expired: u64,
    /// Records that were not whole or could not be decoded.
    pub region_undecodable: u64,
    /// Sessions put there,
    pub region_puts: u64,
    /// ... not put: too long, no time, no room,
    pub region_refused: u64,
    /// ... that left to make room,
    pub region_evictions: u64,
    /// ... that were used up by early data.
    pub region_takes: u64,
    /// Calls that missed because another process held a lock for too long.
    pub region_time_outs: u64,
    /// Locks that were taken over from a process that had died.
    pub region_recovered: u64,
    /// Parts that made no sense and were made anew from the sessions in them.
    pub region_rebuilt: u64,
    /// Sessions there are, of all contexts,
    pub region_records: u64,
    /// ... and the bytes that they take.
    pub region_bytes: u64,
}

/// Returns the version of sslcache as a string such as "0.1.0", in static memory. That this symbol is there
/// tells that sslcache is in the process.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sslcache_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Tells what the cache of ctx holds and has done.
///
/// size is sizeof(struct sslcache_stats) as the program was compiled with: a later version of this library,
/// which may know more, fills only that much, and what this version does not know is set to 0.
///
/// Returns 1; or 0, with stats left as it was, where ctx or stats is NULL or ctx is not in our care (it was
/// made before sslcache was loaded, or by a libssl that sslcache does not take over).
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
        // SAFETY: the caller's contract.
        let known = unsafe { attached(ctx) }?.stats(ctx);
        let common = size.min(mem::size_of::<sslcache_stats>());
        // SAFETY: the caller's contract; `known` has at least `common` bytes.
        unsafe {
            ptr::copy_nonoverlapping((&raw const known).cast::<u8>(), stats.cast::<u8>(), common)
        };
        // SAFETY: the caller's contract.
        unsafe { ptr::write_bytes(stats.cast::<u8>().add(common), 0, size - common) };
        Some(1)
    })
}
