/*
 * The identical object added again: 0, no reference, nothing else changes.
 * SSL_CTX_add_session(3): "If the session is actually identical (the SSL_SESSION object is
 * identical), SSL_CTX_add_session() is a no-op, and the return value is 0."
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_SESSION_set_time(a, 1000));
    TRACE(SSL_SESSION_set_time(a, time(NULL) - 100) > 0);
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_SESSION_get_time(a) < time(NULL) - 50);
    TRACE(SSL_CTX_sess_number(ctx));
    heading("one removal is enough, and leaves one reference: ours");
    TRACE(SSL_CTX_remove_session(ctx, a));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(live_sessions());
    SSL_SESSION_free(a);
    heading("full with that one session: adding it again evicts nothing");
    a = make_session("a2", TLS1_2_VERSION, "a");
    TRACE(SSL_CTX_sess_set_cache_size(ctx, 2));
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_sess_cache_full(ctx));
    SSL_SESSION_free(a);
    SSL_CTX_free(ctx);
    return 0;
}
