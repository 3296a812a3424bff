/*
 * A cached session is removed: 1, it is not resumable any more, the remove callback gets it, one
 * reference is dropped. SSL_CTX_remove_session(3): "removes the session c from the context ctx and
 * marks it as non-resumable. SSL_SESSION_free(3) is called once for c."
 */
#include "common.h"

static SSL_SESSION *a;

static void is_it_a(SSL_CTX *ctx, SSL_SESSION *session)
{
    trace_remove(ctx, session);
    TRACE(session == a);
    TRACE(SSL_CTX_sess_number(ctx));
}

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    a = make_session("a", TLS1_2_VERSION, "a");
    SSL_CTX_sess_set_remove_cb(ctx, is_it_a);
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_SESSION_is_resumable(a));
    TRACE(SSL_CTX_remove_session(ctx, a));
    TRACE(SSL_SESSION_is_resumable(a));
    TRACE(SSL_CTX_sess_number(ctx));
    heading("a second time it is not there");
    TRACE(SSL_CTX_remove_session(ctx, a));
    heading("the last reference was the cache's");
    TRACE(SSL_CTX_add_session(ctx, a));
    SSL_SESSION_free(a);
    TRACE(live_sessions());
    TRACE(SSL_CTX_remove_session(ctx, a));
    TRACE(live_sessions());
    heading("a session that is not resumable can be added and removed as any other");
    a = make_session("a2", TLS1_2_VERSION, "a");
    TRACE(SSL_CTX_remove_session(ctx, a));
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_SESSION_is_resumable(a));
    TRACE(SSL_CTX_remove_session(ctx, a));
    SSL_SESSION_free(a);
    SSL_CTX_free(ctx);
    return 0;
}
