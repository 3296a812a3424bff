/*
 * settings: SSLCACHE_GROUP=certificate
 *
 * A program removes a session itself while the connection is freed or cleared, as a logout does: it is gone, also where
 * a group lets the sessions of connections stay that were not shut down. SSL_CTX_remove_session(3).
 */
#include "common.h"

int sessions_are_bare(void)
{
    return 1;
}

static SSL_CTX *server, *client;
static SSL_SESSION *victim;

static void log_out(void *ssl, void *value, CRYPTO_EX_DATA *data, int index, long argument, void *pointer)
{
    (void)ssl, (void)value, (void)data, (void)index, (void)argument, (void)pointer;
    if (victim != NULL)
        TRACE(SSL_CTX_remove_session(server, victim));
}

/* Ends with a jump: its own frame is gone by the time that the session is removed. */
static void remove_another(SSL_CTX *ctx, SSL_SESSION *session)
{
    SSL_SESSION *other = victim;
    (void)session;
    victim = NULL;
    SSL_CTX_remove_session(ctx, other);
}

static SSL_SESSION *opened(Pair *pair)
{
    *pair = pair_new(client, server, NULL);
    NEED(handshake(pair));
    return SSL_get1_session(pair->client);
}

static void ask_for(const char *what, SSL_SESSION *session)
{
    SSL_SESSION_free(visit(what, client, server, session));
    SSL_SESSION_free(session);
}

static void run(int version)
{
    SSL_SESSION *session, *other, *held;
    Pair pair, second;
    printf("-- version %#x\n", (unsigned)version);
    server = server_context("server", version);
    client = client_context("client", version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(server, 1);

    session = opened(&pair);
    victim = SSL_get1_session(pair.server);
    close_cleanly(&pair);
    SSL_SESSION_free(victim);
    victim = NULL;
    ask_for("after a logout", session);

    session = opened(&pair);
    victim = SSL_get1_session(pair.server);
    free_both(&pair);
    SSL_SESSION_free(victim);
    victim = NULL;
    ask_for("after a logout of a connection that was not shut down", session);

    session = opened(&pair);
    other = opened(&second);
    SSL_CTX_sess_set_remove_cb(server, remove_another);
    held = victim = SSL_get1_session(second.server);
    close_cleanly(&second);
    SSL_clear(pair.server);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    free_both(&pair);
    SSL_SESSION_free(held);
    ask_for("after the remove callback removed it", other);
    SSL_SESSION_free(session);

    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

int main(void)
{
    NEED(SSL_get_ex_new_index(0, NULL, NULL, NULL, log_out) >= 0);
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    return 0;
}
