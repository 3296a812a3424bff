/*
 * Callbacks set, cleared and exchanged from inside a callback: the next event sees the new ones.
 * LIBSSL.md section 2, "an application that sets its own callbacks must not displace ours".
 */
#include "common.h"

static void second_remove(SSL_CTX *ctx, SSL_SESSION *session)
{
    printf("  second remove\n");
    SSL_CTX_sess_set_remove_cb(ctx, NULL);
    (void)session;
}

static void first_remove(SSL_CTX *ctx, SSL_SESSION *session)
{
    printf("  first remove\n");
    SSL_CTX_sess_set_remove_cb(ctx, second_remove);
    (void)session;
}

static int once(SSL *ssl, SSL_SESSION *session)
{
    trace_new(ssl, session);
    SSL_CTX_sess_set_new_cb(SSL_get_SSL_CTX(ssl), NULL);
    SSL_CTX_set_session_cache_mode(SSL_get_SSL_CTX(ssl), SSL_SESS_CACHE_OFF);
    return 0;
}

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_CTX_sess_set_remove_cb(server, first_remove);
    TRACE(SSL_CTX_remove_session(server, a));
    TRACE(SSL_CTX_remove_session(server, a));
    TRACE(SSL_CTX_remove_session(server, a));
    TRACE_POINTER(SSL_CTX_sess_get_remove_cb(server));
    heading("the new callback takes itself and the cache away");
    SSL_CTX_sess_set_new_cb(server, once);
    SSL_SESSION_free(visit("first", client, server, NULL));
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(visit("second", client, server, NULL));
    TRACE(SSL_CTX_sess_number(server));
    heading("back on: the first session is still there");
    TRACE(SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_SERVER));
    SSL_SESSION_free(visit("third", client, server, NULL));
    print_counters(server);
    SSL_SESSION_free(a);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
