/*
 * Flushes by seconds that no clock tells: at the end of time goes what is not good for ever, before its beginning
 * nothing. Since 3.3 libssl counts without a sign. LIBSSL.md section 5, "flush(t)".
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *young = make_session("young", TLS1_2_VERSION, "young");
    SSL_SESSION *future = make_session("future", TLS1_2_VERSION, "future");
    SSL_SESSION *eternal = make_session("eternal", TLS1_2_VERSION, "eternal");
    SSL_SESSION *younger = make_session("younger", TLS1_2_VERSION, "younger");
    TRACE(SSL_SESSION_set_timeout(eternal, 0x7fffffffffffffffL));
    SSL_SESSION_set_time(future, time(NULL) + 1000000);
    TRACE(SSL_CTX_add_session(ctx, eternal));
    TRACE(SSL_CTX_add_session(ctx, future));
    TRACE(SSL_CTX_add_session(ctx, young));
    heading("the end");
    SSL_CTX_flush_sessions(ctx, 0x7fffffffffffffffL);
    TRACE(SSL_SESSION_is_resumable(young));
    TRACE(SSL_SESSION_is_resumable(future));
    divergence("left_at_the_end_of_time", "%ld", SSL_CTX_sess_number(ctx));
    SSL_CTX_flush_sessions(ctx, 0);
    heading("before the beginning");
    TRACE(SSL_CTX_add_session(ctx, younger));
    SSL_CTX_flush_sessions(ctx, -1);
    divergence("left_before_all_time", "%ld", SSL_CTX_sess_number(ctx));
    SSL_SESSION_free(young);
    SSL_SESSION_free(future);
    SSL_SESSION_free(eternal);
    SSL_SESSION_free(younger);
    SSL_CTX_free(ctx);
    return 0;
}
