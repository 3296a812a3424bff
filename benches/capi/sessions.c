/* Memory, random numbers, sessions and what they are cached in. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *touched(size_t bytes)
{
    void *memory = malloc(bytes + 1);
    NEED(memory != NULL);
    return memset(memory, 1, bytes + 1);
}

uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

uint64_t seed(void)
{
    return UINT64_C(88172645463325252) + UINT64_C(0x9e3779b97f4a7c15) * option("seed", 0);
}

SSL_SESSION **sessions_new(long n)
{
    uint64_t random = seed();
    long prefix = option("prefix", 0);
    time_t made = time(NULL);
    SSL_SESSION **sessions = touched((n + 1) * sizeof *sessions);
    for (long i = 0; i < n; i++) {
        unsigned char id[ID_BYTES];
        for (size_t at = 0; at < sizeof id; at += sizeof random) {
            uint64_t bits = next_random(&random);
            memcpy(id + at, &bits, sizeof bits);
        }
        memset(id, 's', prefix);
        NEED((sessions[i] = SSL_SESSION_new()) != NULL);
        NEED(SSL_SESSION_set1_id(sessions[i], id, sizeof id));
        NEED(SSL_SESSION_set_protocol_version(sessions[i], TLS1_2_VERSION));
        SSL_SESSION_set_time(sessions[i], made);
        SSL_SESSION_set_timeout(sessions[i], LONGEST_TIMEOUT);
    }
    for (long i = n - 1; i > 0; i--) {
        long other = next_random(&random) % (i + 1);
        SSL_SESSION *moved = sessions[i];
        sessions[i] = sessions[other];
        sessions[other] = moved;
    }
    return sessions;
}

void session_id(SSL_SESSION *session, unsigned char id[ID_BYTES])
{
    unsigned length;
    const unsigned char *bytes = SSL_SESSION_get_id(session, &length);
    NEED(length == ID_BYTES);
    memcpy(id, bytes, ID_BYTES);
}

void fill(SSL_CTX *ctx, SSL_SESSION **sessions, long n, int mixed)
{
    for (long i = 0; i < n; i++) {
        if (mixed)
            SSL_SESSION_set_timeout(sessions[i], 1 + (long)((double)i / n * LONGEST_TIMEOUT));
        NEED(SSL_CTX_add_session(ctx, sessions[i]));
    }
}

SSL_CTX *cache_of(long size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    NEED(ctx != NULL);
    SSL_CTX_sess_set_cache_size(ctx, size);
    return ctx;
}
