/*
 * The same id under another protocol version is another session: two entries.
 * LIBSSL.md section 5, "same id, different protocol version".
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *twelve = make_session(NULL, TLS1_2_VERSION, "a");
    SSL_SESSION *thirteen = make_session(NULL, TLS1_3_VERSION, "a");
    SSL_SESSION *datagrams = make_session(NULL, DTLS1_2_VERSION, "a");
    TRACE(SSL_CTX_add_session(ctx, twelve));
    TRACE(SSL_CTX_add_session(ctx, thirteen));
    TRACE(SSL_CTX_add_session(ctx, datagrams));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_remove_session(ctx, thirteen));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_add_session(ctx, twelve));
    TRACE(SSL_CTX_add_session(ctx, thirteen));
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_SESSION_free(twelve);
    SSL_SESSION_free(thirteen);
    SSL_SESSION_free(datagrams);
    TRACE(live_sessions());
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    SSL_CTX_flush_sessions(ctx, 0);
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    return 0;
}
