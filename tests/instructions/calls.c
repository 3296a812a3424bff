/*
 * Calls to be counted by callgrind: each `measured_` function makes CALLS of one kind, and no other work. What a first call
 * does is done before. It uses libssl's public functions only, so the same program counts libssl and sslcache.
 */
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS = 2000, CACHED = 4000, ID_BYTES = 32 };

#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static SSL_CTX *ctx;

static SSL_SESSION *session_new(void)
{
    static uint64_t random = UINT64_C(88172645463325252);
    unsigned char id[ID_BYTES];
    SSL_SESSION *session = SSL_SESSION_new();
    NEED(session != NULL);
    for (size_t at = 0; at < sizeof id; at += sizeof random) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        memcpy(id + at, &random, sizeof random);
    }
    NEED(SSL_SESSION_set1_id(session, id, sizeof id));
    NEED(SSL_SESSION_set_protocol_version(session, TLS1_2_VERSION));
    SSL_SESSION_set_timeout(session, 86400);
    return session;
}

static void add(SSL_SESSION **sessions, int n, int result)
{
    for (int i = 0; i < n; i++)
        NEED(SSL_CTX_add_session(ctx, sessions[i]) == result);
}

__attribute__((noipa)) static void measured_add(SSL_SESSION **sessions)
{
    add(sessions, CALLS, 1);
}

__attribute__((noipa)) static void measured_again(SSL_SESSION **sessions)
{
    add(sessions, CALLS, 0);
}

__attribute__((noipa)) static void measured_removal(SSL_SESSION **sessions)
{
    for (int i = 0; i < CALLS; i++)
        NEED(SSL_CTX_remove_session(ctx, sessions[i]) == 1);
}

__attribute__((noipa)) static void measured_full(SSL_SESSION **sessions)
{
    add(sessions, CALLS, 1);
}

int main(void)
{
    static SSL_SESSION *sessions[CACHED + 3 * CALLS];
    SSL_SESSION **others = sessions + CACHED, **extra = others + CALLS, **more = extra + CALLS;
    NEED((ctx = SSL_CTX_new(TLS_server_method())) != NULL);
    for (int i = 0; i < CACHED + 3 * CALLS; i++)
        sessions[i] = session_new();
    add(sessions, CACHED, 1);
    add(sessions, 1, 0);
    NEED(SSL_CTX_remove_session(ctx, sessions[0]) == 1);
    measured_add(others);
    measured_again(others);
    measured_removal(others);
    SSL_CTX_sess_set_cache_size(ctx, CACHED - 1); /* one was removed above: the cache is full */
    add(extra, CALLS, 1);
    measured_full(more);
    return 0;
}
