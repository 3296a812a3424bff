/*
 * Removing NULL, or a session without an id: 0, no callback, no mark.
 * LIBSSL.md section 5, "remove NULL or a zero-length id".
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *empty = make_session_id("empty", TLS1_2_VERSION, 0, 0);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_remove_session(ctx, NULL));
    TRACE(SSL_CTX_remove_session(ctx, empty));
    TRACE(SSL_CTX_sess_number(ctx));
    heading("given an id afterwards, the empty one turns out unmarked");
    TRACE(SSL_SESSION_set1_id(empty, (const unsigned char *)"now it has one", 14));
    TRACE(SSL_SESSION_is_resumable(empty));
    heading("no context either");
    TRACE(SSL_CTX_remove_session(NULL, NULL));
    SSL_SESSION_free(empty);
    SSL_SESSION_free(a);
    SSL_CTX_free(ctx);
    return 0;
}
