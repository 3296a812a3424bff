/*
 * SSL_CTX_sess_set_cache_size returns the size before; 0 is no bound; a negative size is refused
 * with 0. SSL_CTX_sess_set_cache_size(3): "A special case is the size 0, which is used for
 * unlimited size."
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    char id[16];
    int i;
    TRACE(SSL_CTX_sess_get_cache_size(ctx));
    TRACE(SSL_SESSION_CACHE_MAX_SIZE_DEFAULT);
    TRACE(SSL_CTX_sess_set_cache_size(ctx, 5));
    TRACE(SSL_CTX_sess_get_cache_size(ctx));
    heading("negative");
    TRACE(SSL_CTX_sess_set_cache_size(ctx, -1));
    TRACE(SSL_CTX_sess_set_cache_size(ctx, (-0x7fffffffffffffffL - 1)));
    TRACE(SSL_CTX_sess_get_cache_size(ctx));
    heading("huge");
    TRACE(SSL_CTX_sess_set_cache_size(ctx, 0x7fffffffffffffffL));
    TRACE(SSL_CTX_sess_get_cache_size(ctx));
    heading("no bound");
    TRACE(SSL_CTX_sess_set_cache_size(ctx, 0) == 0x7fffffffffffffffL);
    TRACE(SSL_CTX_sess_get_cache_size(ctx));
    for (i = 0; i < 30000; i++) {
        SSL_SESSION *session;
        snprintf(id, sizeof id, "%05d", i); /* libssl hashes the first four bytes */
        session = make_session(NULL, TLS1_2_VERSION, id);
        NEED(SSL_CTX_add_session(ctx, session) == 1);
        SSL_SESSION_free(session);
    }
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_sess_cache_full(ctx));
    TRACE(SSL_CTX_sess_get_cache_size(ctx));
    SSL_CTX_flush_sessions(ctx, 0);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    return 0;
}
