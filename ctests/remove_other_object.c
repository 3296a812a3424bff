/*
 * Removing with a different object of the same id: 1, the cached one leaves, while the mark and
 * the callback go to the argument. LIBSSL.md section 5, "remove a different object with the same
 * id".
 */
#include "common.h"

static SSL_SESSION *argument;

static void is_it_the_argument(SSL_CTX *ctx, SSL_SESSION *session)
{
    trace_remove(ctx, session);
    TRACE(session == argument);
}

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *cached = make_session("cached", TLS1_2_VERSION, "a");
    argument = make_session("argument", TLS1_2_VERSION, "a");
    SSL_CTX_sess_set_remove_cb(ctx, is_it_the_argument);
    TRACE(SSL_CTX_add_session(ctx, cached));
    TRACE(SSL_CTX_remove_session(ctx, argument));
    TRACE(SSL_SESSION_is_resumable(cached));
    TRACE(SSL_SESSION_is_resumable(argument));
    TRACE(SSL_CTX_sess_number(ctx));
    heading("the cache held the only reference");
    TRACE(SSL_CTX_add_session(ctx, cached));
    SSL_SESSION_free(cached);
    TRACE(SSL_CTX_remove_session(ctx, argument));
    TRACE(SSL_CTX_sess_number(ctx));
    heading("another version does not match");
    cached = make_session("cached too", TLS1_3_VERSION, "a");
    TRACE(SSL_CTX_add_session(ctx, cached));
    TRACE(SSL_CTX_remove_session(ctx, argument));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_SESSION_is_resumable(cached));
    SSL_SESSION_free(cached);
    SSL_SESSION_free(argument);
    SSL_CTX_sess_set_remove_cb(ctx, NULL);
    SSL_CTX_free(ctx);
    return 0;
}
