/*
 * What one SSL_CTX_add_session costs with N sessions of mixed timeouts cached, through the public API: the
 * same program on libssl's own cache and on sslcache. Usage: add N...  Prints one line for each N.
 *
 * The sessions are made before the clock starts. Filling is not measured; what is measured is adding and
 * removing further sessions while N are there.
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUND = 2000, LONGEST_TIMEOUT = 86400 };

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

/* A small generator of our own: the same sessions in every run. */
static unsigned long long next_random(void)
{
    static unsigned long long state = 88172645463325252ULL;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static SSL_SESSION *make_session(long timeout)
{
    unsigned char id[32];
    SSL_SESSION *session = SSL_SESSION_new();
    for (size_t at = 0; at < sizeof id; at += sizeof(unsigned long long)) {
        unsigned long long bits = next_random();
        memcpy(id + at, &bits, sizeof bits);
    }
    if (session == NULL || !SSL_SESSION_set1_id(session, id, sizeof id))
        abort();
    SSL_SESSION_set_protocol_version(session, TLS1_2_VERSION);
    SSL_SESSION_set_timeout(session, timeout);
    return session;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* libssl keeps its sessions in a list by expiry, and adding the latest one is its cheap case: so the cache
 * is filled in that order, and then shown sessions that belong in the middle. */
static void fill(SSL_CTX *ctx, long n)
{
    for (long i = 0; i < n; i++) {
        SSL_SESSION *session = make_session(1 + (long)((double)i / n * LONGEST_TIMEOUT));
        SSL_CTX_add_session(ctx, session);
        SSL_SESSION_free(session);
    }
}

static void measure(long n)
{
    static double took[ROUND];
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    double sum = 0;
    SSL_CTX_sess_set_cache_size(ctx, 0);
    fill(ctx, n);
    for (int i = 0; i < ROUND; i++) {
        SSL_SESSION *session = make_session(1 + (long)(next_random() % LONGEST_TIMEOUT));
        double start = now_ns();
        SSL_CTX_add_session(ctx, session);
        took[i] = now_ns() - start;
        sum += took[i];
        SSL_CTX_remove_session(ctx, session);
        SSL_SESSION_free(session);
    }
    qsort(took, ROUND, sizeof *took, by_number);
    printf("%9ld cached  mean %9.0f ns  median %9.0f ns  p99 %9.0f ns  worst %9.0f ns\n", n, sum / ROUND,
           took[ROUND / 2], took[ROUND * 99 / 100], took[ROUND - 1]);
    SSL_CTX_free(ctx);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        measure(atol(argv[i]));
    return 0;
}
