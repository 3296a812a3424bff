#ifndef SSLCACHE_H
#define SSLCACHE_H

/* Made by cbindgen from src/ffi (`make header`): change it there. */

#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>

/* Macros in <openssl/ssl.h>, functions here: a caller that is not compiled from C needs those. */
#undef SSL_CTX_set_session_cache_mode
#undef SSL_CTX_get_session_cache_mode
#undef SSL_CTX_sess_set_cache_size
#undef SSL_CTX_sess_get_cache_size
#undef SSL_CTX_sess_number
#undef SSL_CTX_sess_connect
#undef SSL_CTX_sess_connect_good
#undef SSL_CTX_sess_connect_renegotiate
#undef SSL_CTX_sess_accept
#undef SSL_CTX_sess_accept_good
#undef SSL_CTX_sess_accept_renegotiate
#undef SSL_CTX_sess_hits
#undef SSL_CTX_sess_cb_hits
#undef SSL_CTX_sess_misses
#undef SSL_CTX_sess_timeouts
#undef SSL_CTX_sess_cache_full


/**
 * What the cache of one SSL_CTX holds and has done since it was made.
 */
struct sslcache_stats {
    /**
     * Sessions cached now; SSL_CTX_sess_number.
     */
    uint64_t sessions;
    /**
     * How many there may be; 0 for no limit; SSL_CTX_sess_get_cache_size.
     */
    uint64_t capacity;
    /**
     * Look-ups that found a session.
     */
    uint64_t hits;
    /**
     * Look-ups that did not.
     */
    uint64_t misses;
    /**
     * Sessions added under a new id.
     */
    uint64_t added;
    /**
     * Sessions that took the place of another object with the same id.
     */
    uint64_t replaced;
    /**
     * Sessions that left because the cache was full.
     */
    uint64_t evicted;
    /**
     * Sessions that a flush let go because they had expired.
     */
    uint64_t expired;
    /**
     * Sessions taken out by id: removed, or used once.
     */
    uint64_t removed;
    /**
     * Sessions not added: memory was short, or a part of the cache was lost to a fork.
     */
    uint64_t refused;
    /**
     * Anything that went wrong in sslcache. Each was a miss or a session not cached, and nothing worse.
     */
    uint64_t failures;
    /**
     * Bytes that the cache takes, beyond the sessions themselves.
     */
    uint64_t memory;
    /**
     * 1 where other processes or other contexts share the sessions of this one, else 0.
     */
    uint64_t shared;
    /**
     * What all of them have done in the memory that they share, for all contexts; 0 where there is none: look-ups,
     */
    uint64_t region_gets;
    /**
     * ... those that found a session,
     */
    uint64_t region_hits;
    /**
     * ... that found none of this id in this context,
     */
    uint64_t region_absent;
    /**
     * ... that found one that had expired.
     */
    uint64_t region_expired;
    /**
     * Records that were not whole or could not be decoded.
     */
    uint64_t region_undecodable;
    /**
     * Sessions put there,
     */
    uint64_t region_puts;
    /**
     * ... not put: too long, no time, no room,
     */
    uint64_t region_refused;
    /**
     * ... that left to make room,
     */
    uint64_t region_evictions;
    /**
     * ... that were used up by early data.
     */
    uint64_t region_takes;
    /**
     * Calls that missed because another process held a lock for too long.
     */
    uint64_t region_time_outs;
    /**
     * Locks that were taken over from a process that had died.
     */
    uint64_t region_recovered;
    /**
     * Parts that made no sense and were made anew from the sessions in them.
     */
    uint64_t region_rebuilt;
    /**
     * Sessions there are, of all contexts,
     */
    uint64_t region_records;
    /**
     * ... and the bytes that they take.
     */
    uint64_t region_bytes;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Removes expired sessions: a synonym of SSL_CTX_flush_sessions, documented up to OpenSSL 1.0.2 and in no
 * libssl since SSLeay. tm is in seconds since the epoch: every session whose time plus timeout is before
 * it leaves, is marked not resumable, and the remove callback is called with it; 0 removes all. Nothing
 * happens where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
void SSL_flush_sessions(SSL_CTX *ctx, long tm);

/**
 * Adds a session to the cache of a context: a synonym of SSL_CTX_add_session, documented up to OpenSSL 1.0.1
 * and in no libssl since SSLeay.
 *
 * Returns 1 where the session was added, and the cache has taken a reference of its own. Returns 0 where it
 * was not: the cache has this very object already, an argument is NULL, or the session has no id.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context, `session` null or a live session of the same library.
 */
int SSL_add_session(SSL_CTX *ctx, SSL_SESSION *session);

/**
 * Removes a session from the cache of a context: a synonym of SSL_CTX_remove_session, documented up to
 * OpenSSL 1.0.1 and in no libssl since SSLeay.
 *
 * Returns 1 where a session with this id was cached: the cache's reference is given back. Returns 0 where
 * none was. Either way the session is marked not resumable and the remove callback is called with it,
 * unless an argument is NULL or the session has no id. The caller's own reference stays the caller's.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context, `session` null or a live session of the same library.
 */
int SSL_remove_session(SSL_CTX *ctx, SSL_SESSION *session);

/**
 * Enables or disables session caching: mode is a sum of SSL_SESS_CACHE_* flags. The default is
 * SSL_SESS_CACHE_SERVER.
 *
 * Returns the mode before; 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_set_session_cache_mode(SSL_CTX *ctx, long mode);

/**
 * Returns the mode as it was set; 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_get_session_cache_mode(SSL_CTX *ctx);

/**
 * Sets how many sessions the cache of ctx may hold; 0 for no limit. The default is 20480. Where it holds
 * more, they leave when the next session is added.
 *
 * Returns the size before; 0, without a change, where size is negative or ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_set_cache_size(SSL_CTX *ctx, long size);

/**
 * Returns how many sessions the cache of ctx may hold; 0 for no limit, and where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_get_cache_size(SSL_CTX *ctx);

/**
 * Returns how many sessions the cache of ctx holds.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_number(SSL_CTX *ctx);

/**
 * Returns how many handshakes were begun as a client.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_connect(SSL_CTX *ctx);

/**
 * Returns how many handshakes were completed as a client.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_connect_good(SSL_CTX *ctx);

/**
 * Returns how many renegotiations were begun as a client.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_connect_renegotiate(SSL_CTX *ctx);

/**
 * Returns how many handshakes were begun as a server.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_accept(SSL_CTX *ctx);

/**
 * Returns how many handshakes were completed as a server.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_accept_good(SSL_CTX *ctx);

/**
 * Returns how many renegotiations were begun as a server.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_accept_renegotiate(SSL_CTX *ctx);

/**
 * Returns how many sessions were resumed, from whichever cache.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_hits(SSL_CTX *ctx);

/**
 * Returns how many sessions the application's get callback had.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_cb_hits(SSL_CTX *ctx);

/**
 * Returns how many sessions that a client proposed were not in the cache.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_misses(SSL_CTX *ctx);

/**
 * Returns how many sessions that a client proposed were found and had expired.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_timeouts(SSL_CTX *ctx);

/**
 * Returns how many sessions left because the cache was full.
 * 0 where ctx is NULL.
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context.
 */
long SSL_CTX_sess_cache_full(SSL_CTX *ctx);

/**
 * Returns the version of sslcache as a string such as "0.1.0", in static memory. That this symbol is there
 * tells that sslcache is in the process.
 */
const char *sslcache_version(void);

/**
 * Tells what the cache of ctx holds and has done.
 *
 * size is sizeof(struct sslcache_stats) as the program was compiled with: a later version of this library,
 * which may know more, fills only that much, and what this version does not know is set to 0.
 *
 * Returns 1; or 0, with stats left as it was, where ctx or stats is NULL or ctx is not in our care (it was
 * made before sslcache was loaded, or by a libssl that sslcache does not take over).
 *
 * The caller sees to it that:
 * * `ctx` is null or a live context;
 * * `stats` is null or has room for `size` bytes.
 */
int sslcache_stats(SSL_CTX *ctx, struct sslcache_stats *stats, size_t size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SSLCACHE_H */
