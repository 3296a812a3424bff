/*
 * A cached session whose id is set to nothing and back: the cache goes on finding it.
 * LIBSSL.md section 5: key by a snapshot of the id (HAProxy does this inside its new callback).
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_2_VERSION, "b");
    unsigned char id[SSL_MAX_SSL_SESSION_ID_LENGTH];
    unsigned length;
    memcpy(id, SSL_SESSION_get_id(a, &length), SSL_MAX_SSL_SESSION_ID_LENGTH);
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_add_session(ctx, b));
    TRACE(SSL_SESSION_set1_id(a, id, 0));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_SESSION_is_resumable(a));
    TRACE(SSL_CTX_remove_session(ctx, a));
    TRACE(SSL_SESSION_set1_id(a, id, length));
    TRACE(SSL_SESSION_is_resumable(a));
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_remove_session(ctx, a));
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    heading("the context goes");
    SSL_CTX_free(ctx);
    return 0;
}
