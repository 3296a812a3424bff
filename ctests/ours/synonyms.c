/*
 * SSL_add_session, SSL_remove_session and SSL_flush_sessions are synonyms of their SSL_CTX_*
 * counterparts. SSL_CTX_add_session(3) of OpenBSD: "SSL_add_session() and SSL_remove_session() are
 * synonyms for their SSL_CTX_*() counterparts."
 */
#include "common.h"

#include "sslcache.h"

#if defined SSL_add_session || defined SSL_remove_session
#error "lua-openssl tests for macros of these names"
#endif

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *same_id = make_session("same id", TLS1_2_VERSION, "a");
    SSL_SESSION *empty = make_session_id("empty", TLS1_2_VERSION, 0, 0);
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    TRACE(SSL_add_session(ctx, a));
    TRACE(SSL_add_session(ctx, a));
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_add_session(ctx, same_id));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_remove_session(ctx, a));
    TRACE(SSL_remove_session(ctx, a));
    TRACE(SSL_CTX_sess_number(ctx));
    heading("flush");
    TRACE(SSL_add_session(ctx, same_id));
    SSL_flush_sessions(ctx, time(NULL));
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_flush_sessions(ctx, 0);
    TRACE(SSL_CTX_sess_number(ctx));
    heading("nothing");
    TRACE(SSL_add_session(ctx, NULL));
    TRACE(SSL_add_session(NULL, a));
    TRACE(SSL_add_session(NULL, NULL));
    TRACE(SSL_add_session(ctx, empty));
    TRACE(SSL_remove_session(ctx, NULL));
    TRACE(SSL_remove_session(NULL, a));
    TRACE(SSL_remove_session(NULL, NULL));
    TRACE(SSL_remove_session(ctx, empty));
    SSL_flush_sessions(NULL, 0);
    SSL_SESSION_free(a);
    SSL_SESSION_free(same_id);
    SSL_SESSION_free(empty);
    SSL_CTX_free(ctx);
    return 0;
}
