/*
 * Expired sessions are flushed every 255 good handshakes, unless NO_AUTO_CLEAR is set.
 * SSL_CTX_set_session_cache_mode(3): "Normally the session cache is checked for expired sessions
 * every 255 connections".
 */
#include "common.h"

static int removed;

static int born_expired(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_set_time(session, time(NULL) - 100000);
    return 0;
}

static void count(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    removed += !SSL_SESSION_is_resumable(session);
}

static void run(long mode, int the_client)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_CTX *watched = the_client ? client : server;
    int i;
    printf("-- the %s, mode %#lx\n", context_name(watched), (unsigned long)mode);
    removed = 0;
    SSL_CTX_set_session_cache_mode(watched, mode);
    /* A server without a cache would give the client no id to keep. */
    SSL_CTX_sess_set_new_cb(watched, born_expired);
    SSL_CTX_sess_set_remove_cb(watched, count);
    for (i = 1; i <= 520; i++) {
        SSL_SESSION_free(visit_quietly(client, server, NULL, NULL));
        if ((i >= 254 && i <= 258) || (i >= 510 && i <= 514) || i == 520)
            printf("after %d: number %ld, removed %d\n", i, SSL_CTX_sess_number(watched), removed);
    }
    SSL_CTX_sess_set_remove_cb(watched, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(SSL_SESS_CACHE_SERVER, 0);
    run(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR, 0);
    run(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP, 0);
    run(SSL_SESS_CACHE_CLIENT, 1);
    run(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_AUTO_CLEAR, 1);
    return 0;
}
