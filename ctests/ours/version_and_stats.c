/*
 * sslcache_version and sslcache_stats: what they say, what they do with NULL, with a caller that
 * knows a smaller or a larger structure. sslcache.h.
 */
#include "common.h"

#include "sslcache.h"

static void show(SSL_CTX *ctx)
{
    struct sslcache_stats stats;
    memset(&stats, 0xff, sizeof stats);
    TRACE(sslcache_stats(ctx, &stats, sizeof stats));
    printf("sessions %lu capacity %lu hits %lu misses %lu added %lu replaced %lu evicted %lu expired %lu"
           " removed %lu refused %lu failures %lu\n",
           stats.sessions, stats.capacity, stats.hits, stats.misses, stats.added, stats.replaced, stats.evicted,
           stats.expired, stats.removed, stats.refused, stats.failures);
}

int main(void)
{
    struct {
        struct sslcache_stats known;
        unsigned long later[4];
    } larger;
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
    SSL_SESSION *other_a = make_session(NULL, TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session(NULL, TLS1_2_VERSION, "b");
    SSL_SESSION *session;
    unsigned major, minor, patch;
    NEED(sslcache_version() == sslcache_version());
    TRACE(sscanf(sslcache_version(), "%u.%u.%u", &major, &minor, &patch));
    show(server);
    heading("added, replaced, evicted, removed, flushed");
    SSL_CTX_sess_set_cache_size(server, 2);
    SSL_SESSION_set_time(b, 1000);
    NEED(SSL_CTX_add_session(server, a) && SSL_CTX_add_session(server, other_a));
    NEED(SSL_CTX_add_session(server, b) && SSL_CTX_remove_session(server, a));
    show(server);
    SSL_CTX_flush_sessions(server, time(NULL));
    show(server);
    session = visit("full", client, server, NULL);
    SSL_SESSION_free(visit("resumed", client, server, session));
    SSL_SESSION_free(session);
    show(server);
    SSL_SESSION_free(visit("full", client, server, NULL));
    SSL_SESSION_free(visit("full", client, server, NULL));
    show(server);
    heading("bad arguments leave the structure alone");
    memset(&larger, 0x55, sizeof larger);
    TRACE(sslcache_stats(NULL, &larger.known, sizeof larger.known));
    TRACE(larger.known.sessions == 0x5555555555555555UL);
    TRACE(sslcache_stats(server, NULL, sizeof larger.known));
    TRACE(sslcache_stats(NULL, NULL, 0));
    heading("a smaller one, a larger one, none");
    TRACE(sslcache_stats(server, &larger.known, 16));
    TRACE(larger.known.capacity);
    TRACE(larger.known.hits == 0x5555555555555555UL);
    TRACE(sslcache_stats(server, &larger.known, sizeof larger));
    TRACE(larger.later[0] | larger.later[1] | larger.later[2] | larger.later[3]);
    TRACE(sslcache_stats(server, &larger.known, 0));
    SSL_SESSION_free(a);
    SSL_SESSION_free(other_a);
    SSL_SESSION_free(b);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
    return 0;
}
