/*
 * Sessions that have left the cache, by removal, flush, replacement or the end of the context, are
 * whole and usable by the code that still holds them.
 */
#include "common.h"

static void use(const char *what, SSL_CTX *ctx, SSL_SESSION *session)
{
    heading("%s", what);
    TRACE(SSL_SESSION_set_time(session, 1000000));
    TRACE(SSL_SESSION_set_timeout(session, 100));
    TRACE(SSL_CTX_remove_session(ctx, session));
    TRACE(SSL_CTX_add_session(ctx, session));
    TRACE(SSL_SESSION_set_timeout(session, 200));
    SSL_CTX_flush_sessions(ctx, 1000101);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_CTX_flush_sessions(ctx, 1000201);
    TRACE(SSL_CTX_sess_number(ctx));
}

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_CTX *gone = server_context("gone", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *other_a = make_session("other a", TLS1_2_VERSION, "a");
    NEED(SSL_CTX_add_session(ctx, a) && SSL_CTX_remove_session(ctx, a));
    use("removed", ctx, a);
    NEED(SSL_CTX_add_session(ctx, a));
    SSL_CTX_flush_sessions(ctx, 0);
    use("flushed", ctx, a);
    NEED(SSL_CTX_add_session(ctx, a) && SSL_CTX_add_session(ctx, other_a));
    NEED(SSL_CTX_remove_session(ctx, other_a));
    use("replaced", ctx, a);
    NEED(SSL_CTX_add_session(gone, a));
    SSL_CTX_free(gone);
    use("its context is gone", ctx, a);
    SSL_SESSION_free(a);
    SSL_SESSION_free(other_a);
    SSL_CTX_free(ctx);
    return 0;
}
