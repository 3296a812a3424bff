/*
 * The default library context has no algorithm, because the program uses one of its own: what
 * leaves the cache is marked not resumable all the same. SSL_CTX_new_ex(3), "associated with the
 * library context libctx"; LIBSSL.md section 2, "several scratch contexts".
 *
 * needs: OpenSSL 3.0
 */
#include "common.h"

#include <openssl/provider.h>

static SSL_CTX *new_context(OSSL_LIB_CTX *library, const char *properties)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(library, properties, TLS_method());
    NEED(ctx != NULL);
    return ctx;
}

static void run(const char *what, OSSL_LIB_CTX *library, const char *properties)
{
    SSL_CTX *ctx = new_context(library, properties);
    SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session(NULL, TLS1_2_VERSION, "b");
    SSL_SESSION *c = make_session(NULL, TLS1_2_VERSION, "c");
    SSL_SESSION *d = make_session(NULL, TLS1_2_VERSION, "d");
    heading("%s", what);
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_add_session(ctx, b));
    TRACE(SSL_CTX_add_session(ctx, c));
    TRACE(SSL_CTX_remove_session(ctx, a));
    TRACE(SSL_SESSION_is_resumable(a));
    TRACE(SSL_CTX_remove_session(ctx, d));
    TRACE(SSL_SESSION_is_resumable(d));
    SSL_CTX_flush_sessions(ctx, 0);
    TRACE(SSL_SESSION_is_resumable(b));
    TRACE(SSL_CTX_add_session(ctx, d));
    SSL_CTX_free(ctx);
    TRACE(SSL_SESSION_is_resumable(c));
    TRACE(SSL_SESSION_is_resumable(d));
    TRACE(ERR_peek_error());
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    SSL_SESSION_free(c);
    SSL_SESSION_free(d);
    TRACE(live_sessions());
}

int main(void)
{
    OSSL_PROVIDER *none = OSSL_PROVIDER_load(NULL, "null");
    OSSL_LIB_CTX *own = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *all = OSSL_PROVIDER_load(own, "default");
    SSL_CTX *refused;
    NEED(none != NULL && own != NULL && all != NULL);
    refused = SSL_CTX_new(TLS_method());
    TRACE_POINTER(refused);
    ERR_clear_error();
    run("a library context of the program's", own, NULL);
    run("with a property query", own, "provider=default");
    OSSL_PROVIDER_unload(all);
    OSSL_LIB_CTX_free(own);

    heading("another, when the first is gone");
    own = OSSL_LIB_CTX_new();
    all = OSSL_PROVIDER_load(own, "default");
    NEED(own != NULL && all != NULL);
    run("again", own, NULL);
    OSSL_PROVIDER_unload(all);
    OSSL_LIB_CTX_free(own);
    OSSL_PROVIDER_unload(none);
    return 0;
}
