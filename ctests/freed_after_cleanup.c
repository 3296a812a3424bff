/*
 * settings: SSLCACHE_STATS=1
 *
 * A connection that is freed after OPENSSL_cleanup, as by a destructor or an atexit handler of the program's, takes its
 * context with it, and libcrypto tells nobody. Nothing asks the context for anything from then on: valgrind sees that.
 */
#include "common.h"

#include <unistd.h>

int main(void)
{
    SSL_CTX *kept = SSL_CTX_new(TLS_server_method()), *ctx = SSL_CTX_new(TLS_server_method());
    SSL *one = SSL_new(ctx), *other = SSL_new(kept);
    NEED(one != NULL && other != NULL);
    SSL_CTX_free(ctx);
    SSL_CTX_free(kept);
    usleep(1100000); /* what the process shows of itself is due again */
    OPENSSL_cleanup();
    SSL_free(one);
    SSL_free(other);
    TRACE_POINTER(SSL_CTX_new(TLS_server_method()));
    return 0;
}
