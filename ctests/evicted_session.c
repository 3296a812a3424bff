/*
 * What happens to the session that leaves a full cache: the host marks it not resumable, so that a
 * handshake that is resuming it fails; here it leaves unmarked. The remove callback gets it, its
 * reference is dropped. LIBSSL.md section 5, "full cache" (divergence).
 */
#include "common.h"

static int resumable_in_callback = -1;

static void evicted(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    resumable_in_callback = SSL_SESSION_is_resumable(session);
}

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    /* The host's size of 2 holds one; size 1 is one on both. */
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_2_VERSION, "b");
    SSL_CTX_sess_set_remove_cb(ctx, evicted);
    TRACE(SSL_CTX_sess_set_cache_size(ctx, 1));
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_add_session(ctx, b));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_sess_cache_full(ctx));
    divergence("evicted_is_resumable_in_callback", "%d", resumable_in_callback);
    divergence("evicted_is_resumable", "%d", SSL_SESSION_is_resumable(a));
    TRACE(SSL_SESSION_is_resumable(b));
    heading("the cache has no reference to the first any more, and one to the second");
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    return 0;
}
