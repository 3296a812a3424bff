/*
 * Adding no session at all. LIBSSL.md section 5, "add NULL" (divergence): the host crashes, so the
 * call is made in a child; here it is 0.
 */
#include "common.h"

static SSL_CTX *ctx;

static void add_null(void)
{
    if (SSL_CTX_add_session(ctx, NULL) != 0)
        puts("not 0");
}

int main(void)
{
    ctx = server_context("ctx", TLS1_2_VERSION);
    divergence("add_null", "%s", ending_in_child(add_null));
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_CTX_free(ctx);
    return 0;
}
