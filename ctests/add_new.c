/*
 * A new session is added: 1, and one reference taken.
 * SSL_CTX_add_session(3): "adds the session c to the context ctx. The reference count for session
 * c is incremented by 1."
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_3_VERSION, "b");
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_add_session(ctx, b));
    TRACE(SSL_CTX_sess_number(ctx));
    heading("our references go, the cache keeps its own");
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    TRACE(live_sessions());
    TRACE(SSL_CTX_sess_number(ctx));
    print_counters(ctx);
    heading("the cache lets go of one");
    TRACE(SSL_CTX_remove_session(ctx, a));
    TRACE(live_sessions());
    heading("the context goes");
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
    return 0;
}
