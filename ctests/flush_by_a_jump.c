/*
 * settings: SSLCACHE_GROUP=certificate
 *
 * A callback that ends by jumping to SSL_CTX_flush_sessions looks as if the host had called it, as it does when it frees
 * the context. The context goes on: what is flushed is gone, for all that share it, and what comes afterwards is kept.
 */
#include "common.h"

static SSL_CTX *server, *client;
static int armed;

int sessions_are_bare(void)
{
    return 1;
}

__attribute__((optimize("optimize-sibling-calls"))) static void clear(const SSL *ssl, int where, int result)
{
    (void)ssl, (void)result;
    if (!armed || !(where & SSL_CB_HANDSHAKE_DONE))
        return;
    armed = 0;
    SSL_CTX_flush_sessions(server, 0);
}

int main(void)
{
    SSL_SESSION *before, *after;
    server = server_context("server", TLS1_2_VERSION);
    client = client_context("client", TLS1_2_VERSION);
    SSL_CTX_set_info_callback(server, clear);
    before = visit("before", client, server, NULL);
    TRACE(SSL_CTX_sess_number(server));
    armed = 1;
    SSL_SESSION_free(visit("flushes", client, server, NULL));
    TRACE(armed);
    SSL_SESSION_free(visit("flushed", client, server, before));
    after = visit("after", client, server, NULL);
    SSL_SESSION_free(visit("resumed", client, server, after));
    SSL_CTX_flush_sessions(server, 0);
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(visit("flushed", client, server, after));
    SSL_SESSION_free(before);
    SSL_SESSION_free(after);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
