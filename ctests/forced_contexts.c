/*
 * A cache that a program has switched off, and gets all the same. What resumes without it goes on to: stateless tickets;
 * and a connection that moves to another context takes over its session id context.
 *
 * settings: SSLCACHE_FORCE=1
 */
#include "common.h"

static SSL_CTX *switched_off(const char *name, int version)
{
    SSL_CTX *ctx = server_context(name, version);
    NEED(SSL_CTX_set_session_id_context(ctx, NULL, 0));
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

/* A client of TLS 1.2 that could do more sends a made-up session id beside an empty ticket. */
static SSL_CTX *modern_client(int version)
{
    SSL_CTX *ctx = client_context("client", version);
    NEED(SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION));
    return ctx;
}

static int resumed(SSL_CTX *client, SSL_CTX *server)
{
    SSL_SESSION *session = visit_quietly(client, server, NULL, NULL), *again;
    int reused;
    again = visit_quietly(client, server, session, &reused);
    SSL_SESSION_free(session);
    SSL_SESSION_free(again);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    return reused;
}

static void removed(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx, (void)session;
}

static SSL_CTX *second;

static int switch_context(SSL *ssl, int *alert, void *argument)
{
    (void)alert, (void)argument;
    NEED(SSL_set_SSL_CTX(ssl, second) == second);
    return SSL_TLSEXT_ERR_OK;
}

/* The length of the session id context that a session has which is made after a switch: by a renegotiation. */
static unsigned id_context_after_switch(void)
{
    SSL_CTX *client = with_tickets(modern_client(TLS1_2_VERSION));
    SSL_CTX *first = with_tickets(switched_off("first", TLS1_2_VERSION));
    Pair pair;
    unsigned length;
    char byte;
    int round;
    second = server_context("second", TLS1_2_VERSION);
    NEED(SSL_CTX_set_tlsext_servername_callback(first, switch_context));
    pair = pair_new(client, first, NULL);
    NEED(handshake(&pair) && SSL_renegotiate(pair.server));
    for (round = 0; round < 10; round++) {
        SSL_do_handshake(pair.server);
        SSL_read(pair.client, &byte, 1);
        SSL_read(pair.server, &byte, 1);
    }
    ERR_clear_error();
    NEED(!SSL_renegotiate_pending(pair.server));
    SSL_SESSION_get0_id_context(SSL_get0_session(pair.server), &length);
    close_cleanly(&pair);
    SSL_CTX_free(client);
    SSL_CTX_free(first);
    SSL_CTX_free(second);
    return length;
}

int main(void)
{
    SSL_CTX *server;
    divergence("forced_tls12", "%d", resumed(modern_client(TLS1_2_VERSION), switched_off("server", TLS1_2_VERSION)));

    server = with_tickets(switched_off("server", TLS1_2_VERSION));
    printf("ticket of TLS 1.2: resumed %d\n", resumed(with_tickets(modern_client(TLS1_2_VERSION)), server));

    server = switched_off("server", TLS1_3_VERSION);
    SSL_CTX_sess_set_remove_cb(server, removed);
    printf("second ticket of TLS 1.3: resumed %d\n", resumed(client_context("client", TLS1_3_VERSION), server));

    TRACE(id_context_after_switch());
    return 0;
}
