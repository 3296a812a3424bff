/*
 * A thousand sessions of mixed timeouts, added in no order: each flush takes exactly those whose
 * time has come. LIBSSL.md section 5, "flush(t)"; negative and past times included.
 */
#include "common.h"

static int removed;

static void count(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    removed += !SSL_SESSION_is_resumable(session);
}

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    long base = 1000000000, t;
    char id[16];
    int i;
    for (i = 0; i < 1000; i++) {
        SSL_SESSION *session;
        snprintf(id, sizeof id, "session %d", i);
        session = make_session(NULL, TLS1_2_VERSION, id);
        SSL_SESSION_set_time(session, base);
        SSL_SESSION_set_timeout(session, (i * 7919L) % 1000 * 37);
        NEED(SSL_CTX_add_session(ctx, session) == 1);
        SSL_SESSION_free(session);
    }
    SSL_CTX_sess_set_remove_cb(ctx, count);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_CTX_flush_sessions(ctx, base);
    TRACE(removed);
    for (t = 1; t <= 37000; t = t * 3 + 1) {
        SSL_CTX_flush_sessions(ctx, base + t);
        printf("at +%ld: %d removed, %ld left, %ld alive\n", t, removed, SSL_CTX_sess_number(ctx),
               live_sessions());
    }
    SSL_CTX_flush_sessions(ctx, base + 999 * 37);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_CTX_flush_sessions(ctx, base + 999 * 37 + 1);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    return 0;
}
