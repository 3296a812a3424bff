/*
 * SSL_CTX_flush_sessions(ctx, 0) takes everything out, whatever its time.
 * SSL_CTX_flush_sessions(3): "If the parameter tm is 0, all sessions will be removed."
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *young = make_session("young", TLS1_2_VERSION, "young");
    SSL_SESSION *future = make_session("future", TLS1_2_VERSION, "future");
    SSL_SESSION *eternal = make_session("eternal", TLS1_2_VERSION, "eternal");
    TRACE(SSL_SESSION_set_timeout(eternal, 0x7fffffffffffffffL));
    SSL_SESSION_set_time(future, time(NULL) + 1000000);
    TRACE(SSL_CTX_add_session(ctx, eternal));
    TRACE(SSL_CTX_add_session(ctx, future));
    TRACE(SSL_CTX_add_session(ctx, young));
    heading("zero");
    SSL_CTX_flush_sessions(ctx, 0);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_SESSION_is_resumable(young));
    TRACE(SSL_SESSION_is_resumable(future));
    TRACE(SSL_SESSION_is_resumable(eternal));
    heading("an empty cache");
    SSL_CTX_flush_sessions(ctx, 0);
    SSL_CTX_flush_sessions(ctx, time(NULL));
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_SESSION_free(young);
    SSL_SESSION_free(future);
    SSL_SESSION_free(eternal);
    SSL_CTX_free(ctx);
    return 0;
}
