/*
 * A program that makes its contexts with a library context of its own leaves the default one without the default provider,
 * as the guide to the FIPS module does: whatever the cache does, no algorithm is fetched there unasked. OSSL_PROVIDER(3),
 * "OSSL_PROVIDER_load": the default provider is activated by itself only while no other was.
 * needs: OpenSSL 3.0
 */
#include "common.h"

#include <openssl/evp.h>
#include <openssl/provider.h>

int main(void)
{
    OSSL_LIB_CTX *own = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *used, *base;
    SSL_CTX *ctx;
    SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
    NEED(own != NULL && (used = OSSL_PROVIDER_load(own, "default")) != NULL);
    NEED((ctx = SSL_CTX_new_ex(own, NULL, TLS_server_method())) != NULL);
    NEED(SSL_CTX_add_session(ctx, a) == 1 && SSL_CTX_remove_session(ctx, a) == 1);
    printf("removed: resumable %d\n", SSL_SESSION_is_resumable(a));
    NEED((base = OSSL_PROVIDER_load(NULL, "base")) != NULL);
    printf("the default provider in the default library context: %d\n", OSSL_PROVIDER_available(NULL, "default"));
    printf("MD5 there: %d\n", EVP_MD_fetch(NULL, "MD5", NULL) != NULL);
    SSL_SESSION_free(a);
    SSL_CTX_free(ctx);
    OSSL_PROVIDER_unload(base);
    OSSL_PROVIDER_unload(used);
    OSSL_LIB_CTX_free(own);
    return 0;
}
