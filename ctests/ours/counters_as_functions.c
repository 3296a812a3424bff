/*
 * What <openssl/ssl.h> has as macros are functions here, for callers that are not compiled from C:
 * each answers as the macro does. SSL_CTX_sess_number(3), SSL_CTX_set_session_cache_mode(3),
 * SSL_CTX_sess_set_cache_size(3).
 */
#include "common.h"

#include "sslcache.h"

#define SAME(function, command)                                                                    \
    printf("%s: %ld, %s\n", #function, function(ctx),                                              \
           function(ctx) == SSL_CTX_ctrl(ctx, command, 0, NULL) ? "as the macro" : "not the macro's")
#define OF_NULL(function) TRACE(function(NULL))

static void show(SSL_CTX *ctx)
{
    heading("%s", context_name(ctx));
    SAME(SSL_CTX_sess_number, SSL_CTRL_SESS_NUMBER);
    SAME(SSL_CTX_sess_connect, SSL_CTRL_SESS_CONNECT);
    SAME(SSL_CTX_sess_connect_good, SSL_CTRL_SESS_CONNECT_GOOD);
    SAME(SSL_CTX_sess_connect_renegotiate, SSL_CTRL_SESS_CONNECT_RENEGOTIATE);
    SAME(SSL_CTX_sess_accept, SSL_CTRL_SESS_ACCEPT);
    SAME(SSL_CTX_sess_accept_good, SSL_CTRL_SESS_ACCEPT_GOOD);
    SAME(SSL_CTX_sess_accept_renegotiate, SSL_CTRL_SESS_ACCEPT_RENEGOTIATE);
    SAME(SSL_CTX_sess_hits, SSL_CTRL_SESS_HIT);
    SAME(SSL_CTX_sess_cb_hits, SSL_CTRL_SESS_CB_HIT);
    SAME(SSL_CTX_sess_misses, SSL_CTRL_SESS_MISSES);
    SAME(SSL_CTX_sess_timeouts, SSL_CTRL_SESS_TIMEOUTS);
    SAME(SSL_CTX_sess_cache_full, SSL_CTRL_SESS_CACHE_FULL);
    SAME(SSL_CTX_get_session_cache_mode, SSL_CTRL_GET_SESS_CACHE_MODE);
    SAME(SSL_CTX_sess_get_cache_size, SSL_CTRL_GET_SESS_CACHE_SIZE);
}

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *session;
    int i;
    TRACE(SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_BOTH));
    TRACE(SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT));
    TRACE(SSL_CTX_sess_set_cache_size(server, 2));
    TRACE(SSL_CTX_sess_set_cache_size(server, -2));
    session = visit("full", client, server, NULL);
    SSL_SESSION_free(visit("resumed", client, server, session));
    for (i = 0; i < 5; i++)
        SSL_SESSION_free(visit_quietly(client, server, NULL, NULL));
    SSL_CTX_flush_sessions(server, 0);
    SSL_SESSION_free(visit("missed", client, server, session));
    show(server);
    show(client);
    heading("no context");
    OF_NULL(SSL_CTX_sess_number);
    OF_NULL(SSL_CTX_sess_connect);
    OF_NULL(SSL_CTX_sess_connect_good);
    OF_NULL(SSL_CTX_sess_connect_renegotiate);
    OF_NULL(SSL_CTX_sess_accept);
    OF_NULL(SSL_CTX_sess_accept_good);
    OF_NULL(SSL_CTX_sess_accept_renegotiate);
    OF_NULL(SSL_CTX_sess_hits);
    OF_NULL(SSL_CTX_sess_cb_hits);
    OF_NULL(SSL_CTX_sess_misses);
    OF_NULL(SSL_CTX_sess_timeouts);
    OF_NULL(SSL_CTX_sess_cache_full);
    OF_NULL(SSL_CTX_get_session_cache_mode);
    OF_NULL(SSL_CTX_sess_get_cache_size);
    TRACE(SSL_CTX_set_session_cache_mode(NULL, 1));
    TRACE(SSL_CTX_sess_set_cache_size(NULL, 1));
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
