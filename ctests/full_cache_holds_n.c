/*
 * A cache of size N: the host holds N - 1 (and 1 for N = 1), here it is exactly N.
 * LIBSSL.md section 5, "full cache, size N >= 2" (divergence); the counter cache_full follows.
 */
#include "common.h"

static void fill(long size)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    char name[40], id[16];
    long most = 0;
    int i;
    printf("size %ld\n", size);
    TRACE(SSL_CTX_sess_set_cache_size(ctx, size));
    TRACE(SSL_CTX_sess_get_cache_size(ctx));
    for (i = 0; i < 100; i++) {
        SSL_SESSION *session;
        snprintf(id, sizeof id, "session %d", i);
        session = make_session(NULL, TLS1_2_VERSION, id);
        NEED(SSL_CTX_add_session(ctx, session) == 1);
        /* The one just added is never the one that leaves. */
        NEED(SSL_CTX_add_session(ctx, session) == 0);
        SSL_SESSION_free(session);
        if (SSL_CTX_sess_number(ctx) > most)
            most = SSL_CTX_sess_number(ctx);
    }
    snprintf(name, sizeof name, "full_cache_holds_%ld", size);
    divergence(name, "number %ld, at most %ld, alive %ld, cache_full %ld", SSL_CTX_sess_number(ctx), most,
               live_sessions(), SSL_CTX_sess_cache_full(ctx));
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
}

int main(void)
{
    fill(1);
    fill(2);
    fill(3);
    fill(10);
    fill(99);
    fill(100);
    fill(101);
    return 0;
}
