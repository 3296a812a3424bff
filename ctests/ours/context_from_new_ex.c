/*
 * A program that calls SSL_CTX_new_ex itself, with and without a library context of its own: its
 * contexts have a cache of ours from its first further call on. sslcache_stats(3).
 *
 * needs: OpenSSL 3.0
 */
#include "common.h"

#include <sslcache.h>

static void run(const char *what, OSSL_LIB_CTX *library, const char *properties)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(library, properties, TLS_method());
    SSL_SESSION *session;
    struct sslcache_stats stats;
    char id[16];
    int i;
    NEED(ctx != NULL);
    heading("%s", what);
    TRACE(SSL_CTX_get_session_cache_mode(ctx));
    TRACE(SSL_CTX_sess_set_cache_size(ctx, 5));
    TRACE(sslcache_stats(ctx, &stats, sizeof stats));
    for (i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "session %d", i);
        session = make_session(NULL, TLS1_2_VERSION, id);
        NEED(SSL_CTX_add_session(ctx, session) == 1);
        SSL_SESSION_free(session);
    }
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(sslcache_stats(ctx, &stats, sizeof stats));
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
}

int main(void)
{
    OSSL_LIB_CTX *own = OSSL_LIB_CTX_new();
    NEED(own != NULL);
    run("the default library context", NULL, NULL);
    run("a property query", NULL, "provider=default");
    run("a library context of the program's", own, NULL);
    OSSL_LIB_CTX_free(own);
    return 0;
}
