/*
 * settings: SSLCACHE_GROUP=certificate
 *
 * A server, as EventMachine's are, makes a context for each connection, gets no close_notify, and ends the connection by
 * SSL_clear or SSL_set_session before SSL_free: a group resumes nevertheless.
 */
#include "common.h"

int sessions_are_bare(void)
{
    return 1;
}

enum { FREE, CLEAR, SET_SESSION };

static int resumed_of_ten(int version, int how)
{
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session = NULL;
    int resumed = 0, i;
    for (i = 0; i < 10; i++) {
        SSL_CTX *server = server_context("server", version);
        Pair pair;
        SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
        pair = pair_new(client, server, session);
        NEED(handshake(&pair));
        resumed += SSL_session_reused(pair.server);
        SSL_SESSION_free(session);
        session = SSL_get1_session(pair.client);
        if (how == CLEAR)
            NEED(SSL_clear(pair.server) == 1);
        if (how == SET_SESSION)
            NEED(SSL_set_session(pair.server, NULL) == 1);
        SSL_set_shutdown(pair.client, SSL_SENT_SHUTDOWN);
        free_both(&pair);
        SSL_CTX_free(server);
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    return resumed;
}

static void run(int version)
{
    printf("-- version %#x\n", (unsigned)version);
    divergence("freed_without_shutdown", "%d", resumed_of_ten(version, FREE));
    divergence("clear_before_free", "%d", resumed_of_ten(version, CLEAR));
    divergence("set_session_before_free", "%d", resumed_of_ten(version, SET_SESSION));
}

int main(void)
{
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    return 0;
}
