/*
 * Another object with the same id and version takes the place of the one that is cached: 1, the
 * old one's reference is dropped, the remove callback is not called, the old one stays resumable.
 * SSL_CTX_add_session(3): "the old session is removed and replaced by the new session."
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *old = make_session("old", TLS1_2_VERSION, "a");
    SSL_SESSION *young = make_session("young", TLS1_2_VERSION, "a");
    SSL_SESSION *third = make_session("third", TLS1_2_VERSION, "a");
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    TRACE(SSL_CTX_add_session(ctx, old));
    TRACE(SSL_CTX_add_session(ctx, young));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_sess_cache_full(ctx));
    TRACE(SSL_SESSION_is_resumable(old));
    TRACE(SSL_SESSION_is_resumable(young));
    heading("the cache held the only other reference to the old one");
    SSL_SESSION_free(old);
    SSL_SESSION_free(young);
    heading("a replaced session that nobody else holds dies at once");
    TRACE(SSL_CTX_add_session(ctx, third));
    TRACE(live_sessions());
    TRACE(SSL_CTX_add_session(ctx, third));
    TRACE(SSL_CTX_remove_session(ctx, third));
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_SESSION_free(third);
    SSL_CTX_free(ctx);
    return 0;
}
