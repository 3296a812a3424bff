/*
 * A size below what is cached: nothing leaves at once; the next add makes room for the new bound.
 * SSL_CTX_sess_set_cache_size(3): "If the actual number of sessions exceeds the new size, ... the
 * next time the cache is to be extended".
 */
#include "common.h"

static SSL_SESSION *add(SSL_CTX *ctx, const char *id)
{
    SSL_SESSION *session = make_session(NULL, TLS1_2_VERSION, id);
    NEED(SSL_CTX_add_session(ctx, session) == 1);
    return session;
}

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *last = NULL;
    char id[16];
    int i;
    for (i = 0; i < 50; i++) {
        SSL_SESSION_free(last);
        snprintf(id, sizeof id, "session %d", i);
        last = add(ctx, id);
    }
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_sess_set_cache_size(ctx, 10));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_sess_cache_full(ctx));
    heading("the same object again is no add");
    TRACE(SSL_CTX_add_session(ctx, last));
    TRACE(SSL_CTX_sess_number(ctx));
    heading("a new one is");
    SSL_SESSION_free(last);
    last = add(ctx, "the new one");
    divergence("reduced_size_number", "%ld, cache_full %ld", SSL_CTX_sess_number(ctx),
               SSL_CTX_sess_cache_full(ctx));
    TRACE(SSL_CTX_remove_session(ctx, last));
    SSL_SESSION_free(last);
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
    return 0;
}
