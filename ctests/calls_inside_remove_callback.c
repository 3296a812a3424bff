/*
 * Cache calls inside a remove callback. Called for a removal they work; during eviction and flush
 * the host holds its lock and they silently return 0, here they work there too.
 * LIBSSL.md section 5, "cache calls inside a remove callback" (divergence).
 */
#include "common.h"

#include <stdlib.h>

static SSL_SESSION *extra;
static int entered, added, removed, flushed;

/* Writes its findings down: what a call answers here differs between the two. */
static void call_the_cache(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)session;
    if (entered++ > 0)
        return;
    SSL_CTX_sess_set_remove_cb(ctx, NULL);
    added = SSL_CTX_add_session(ctx, extra);
    removed = SSL_CTX_remove_session(ctx, extra);
    SSL_CTX_flush_sessions(ctx, 1);
    flushed = 1;
    SSL_CTX_sess_set_remove_cb(ctx, call_the_cache);
}

static SSL_CTX *prepared(long size)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
    SSL_CTX_sess_set_cache_size(ctx, size);
    NEED(SSL_CTX_add_session(ctx, a) == 1);
    SSL_SESSION_free(a);
    SSL_CTX_sess_set_remove_cb(ctx, call_the_cache);
    entered = 0, added = removed = -1, flushed = 0;
    return ctx;
}

int main(void)
{
    SSL_CTX *ctx;
    SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session(NULL, TLS1_2_VERSION, "b");
    extra = make_session(NULL, TLS1_2_VERSION, "extra");

    heading("removal");
    ctx = prepared(0);
    TRACE(SSL_CTX_remove_session(ctx, a));
    printf("inside: add %d, remove %d, flushed %d\n", added, removed, flushed);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_CTX_free(ctx);

    heading("flush");
    ctx = prepared(0);
    SSL_CTX_flush_sessions(ctx, 0);
    divergence("inside_flush", "add %d, remove %d, flushed %d", added, removed, flushed);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_CTX_free(ctx);

    heading("eviction");
    ctx = prepared(1);
    TRACE(SSL_CTX_add_session(ctx, b));
    /* What is added in there needs the one place, too: what was being added leaves for it. */
    divergence("inside_eviction", "add %d, remove %d, flushed %d, number %ld", added, removed, flushed,
               SSL_CTX_sess_number(ctx));
    SSL_CTX_free(ctx);

    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    SSL_SESSION_free(extra);
    TRACE(live_sessions());
    return 0;
}
