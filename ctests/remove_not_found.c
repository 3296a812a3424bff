/*
 * A session that is not cached is removed: 0, but it is marked and the remove callback is called.
 * SSL_CTX_remove_session(3): "In case of the remove operation, the session was not found in the
 * cache." LIBSSL.md section 5, "remove, not found".
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_CTX *other = server_context("other", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_2_VERSION, "b");
    heading("without a callback");
    TRACE(SSL_SESSION_is_resumable(a));
    TRACE(SSL_CTX_remove_session(ctx, a));
    TRACE(SSL_SESSION_is_resumable(a));
    heading("with a callback");
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    TRACE(SSL_CTX_remove_session(ctx, b));
    TRACE(SSL_CTX_remove_session(ctx, b));
    TRACE(SSL_SESSION_is_resumable(b));
    heading("cached elsewhere");
    TRACE(SSL_CTX_add_session(other, b));
    TRACE(SSL_CTX_remove_session(ctx, b));
    TRACE(SSL_CTX_sess_number(other));
    TRACE(SSL_CTX_remove_session(other, b));
    heading("cache off: the calls work all the same");
    TRACE(SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF));
    TRACE(SSL_CTX_add_session(ctx, b));
    TRACE(SSL_CTX_remove_session(ctx, b));
    TRACE(live_sessions());
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    SSL_CTX_free(ctx);
    SSL_CTX_free(other);
    return 0;
}
