/*
 * SSL_SESS_CACHE_UPDATE_TIME: an add, of a new object or of the same again, makes the session's
 * time now; so does nothing without the flag. LIBSSL.md section 5, "add the same object again".
 */
#include "common.h"

static void age_after_add(SSL_CTX *ctx, SSL_SESSION *session)
{
    SSL_SESSION_set_time(session, time(NULL) - 1000);
    TRACE(SSL_CTX_add_session(ctx, session));
    printf("its time is %s\n", time(NULL) - SSL_SESSION_get_time(session) < 500 ? "now" : "as before");
}

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_2_VERSION, "b");
    SSL_SESSION *other_a = make_session("other a", TLS1_2_VERSION, "a");
    NEED(SSL_SESSION_set_timeout(a, 300) && SSL_SESSION_set_timeout(b, 300));
    heading("without the flag");
    age_after_add(ctx, a);
    age_after_add(ctx, a);
    heading("with it");
    TRACE(SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_UPDATE_TIME));
    age_after_add(ctx, a);
    age_after_add(ctx, b);
    age_after_add(ctx, other_a);
    heading("the cache knows the new times: nothing has expired");
    SSL_CTX_flush_sessions(ctx, time(NULL));
    TRACE(SSL_CTX_sess_number(ctx));
    heading("set back, and re-added without the flag: both have");
    TRACE(SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER));
    age_after_add(ctx, other_a);
    age_after_add(ctx, b);
    SSL_CTX_flush_sessions(ctx, time(NULL));
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    SSL_SESSION_free(other_a);
    SSL_CTX_free(ctx);
    return 0;
}
