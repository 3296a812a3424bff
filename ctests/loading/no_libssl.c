/*
 * Linked with sslcache and no libssl: every function answers that it failed, whatever it is given,
 * and only the first says why. sslcache(7), "DIAGNOSTICS"; the manual page of each function.
 */
#include <openssl/ssl.h>
#include <stdio.h>

#include "sslcache.h"

#define TRACE(expression) printf("%s = %ld\n", #expression, (long)(expression))

/* Nothing of these is ever looked at. */
static long room[4][64];

static void flush_all(SSL_CTX *ctx)
{
    SSL_CTX_flush_sessions(ctx, 0);
    SSL_CTX_flush_sessions(ctx, 1);
    SSL_CTX_sess_set_new_cb(ctx, NULL);
    SSL_CTX_sess_set_get_cb(ctx, NULL);
    SSL_CTX_sess_set_remove_cb(ctx, NULL);
}

int main(void)
{
    SSL_CTX *ctx = (SSL_CTX *)room[0];
    SSL_SESSION *session = (SSL_SESSION *)room[1];
    SSL *ssl = (SSL *)room[2];
    const SSL_METHOD *method = (const SSL_METHOD *)room[3];
    const unsigned char id[32] = { 0 };
    struct sslcache_stats stats;
    TRACE(SSL_CTX_new(NULL));
    TRACE(SSL_CTX_new(method));
    TRACE(SSL_CTX_new_ex(NULL, NULL, method));
    TRACE(SSL_CTX_add_session(ctx, session));
    TRACE(SSL_CTX_remove_session(ctx, session));
    TRACE(SSL_CTX_sessions(ctx));
    TRACE(SSL_CTX_ctrl(ctx, SSL_CTRL_SESS_NUMBER, 0, NULL));
    TRACE(SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_BOTH, NULL));
    TRACE(SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_SIZE, 5, NULL));
    TRACE(SSL_CTX_sess_get_new_cb(ctx));
    TRACE(SSL_CTX_sess_get_get_cb(ctx));
    TRACE(SSL_CTX_sess_get_remove_cb(ctx));
    TRACE(SSL_has_matching_session_id(ssl, id, sizeof id));
    TRACE(SSL_SESSION_set_timeout(session, 5));
    TRACE(SSL_SESSION_set_time(session, 5));
    TRACE(SSL_set_SSL_CTX(ssl, ctx));
    TRACE(sslcache_stats(ctx, &stats, sizeof stats));
    TRACE(sslcache_version() != NULL);
    flush_all(ctx);
    flush_all(NULL);
    return 0;
}
