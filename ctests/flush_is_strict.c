/*
 * SSL_CTX_flush_sessions(ctx, t) takes out those with t > time + timeout, strictly. Each is marked
 * not resumable, and each reaches the remove callback. LIBSSL.md section 5, "flush(t)".
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_2_VERSION, "b");
    long now = time(NULL);
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    SSL_SESSION_set_time(a, now);
    SSL_SESSION_set_timeout(a, 300);
    SSL_SESSION_set_time(b, now);
    SSL_SESSION_set_timeout(b, 500);
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_add_session(ctx, b));
    heading("one second before, and at the very second");
    SSL_CTX_flush_sessions(ctx, now + 299);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_CTX_flush_sessions(ctx, now + 300);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_SESSION_is_resumable(a));
    heading("one second later");
    SSL_CTX_flush_sessions(ctx, now + 301);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_SESSION_is_resumable(a));
    TRACE(SSL_SESSION_is_resumable(b));
    heading("going back in time flushes nothing");
    SSL_CTX_flush_sessions(ctx, now);
    SSL_CTX_flush_sessions(ctx, 1);
    TRACE(SSL_CTX_sess_number(ctx));
    heading("the cache drops its reference");
    SSL_SESSION_free(b);
    SSL_CTX_flush_sessions(ctx, now + 501);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_SESSION_free(a);
    TRACE(SSL_CTX_sess_timeouts(ctx));
    SSL_CTX_free(ctx);
    return 0;
}
