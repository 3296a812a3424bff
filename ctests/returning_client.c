/*
 * A client whose session had to leave offers it all the same, and is known by that: the session that it
 * is given instead outlasts a flood of clients that never return. COMPATIBILITY.md, which_leaves
 * (divergence).
 */
#include "common.h"

static int strangers;

static void flood(SSL_CTX *server, int version, int count)
{
    for (int end = strangers + count; strangers < end; strangers++) {
        char id[32];
        snprintf(id, sizeof id, "stranger %d", strangers);
        SSL_SESSION *session = make_session(NULL, version, id);
        NEED(SSL_CTX_add_session(server, session) == 1);
        SSL_SESSION_free(session);
    }
}

static void return_after_floods(const char *name, int version)
{
    SSL_CTX *server = server_context("server", version), *client = client_context("client", version);
    SSL_SESSION *session;
    int reused[2];
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_sess_set_cache_size(server, 100);
    SSL_CTX_set_timeout(server, 60); /* on the host it leaves before those of the strangers */
    session = visit_quietly(client, server, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        flood(server, version, i == 0 ? 100 : 1000);
        SSL_SESSION *given = visit_quietly(client, server, session, &reused[i]);
        SSL_SESSION_free(session);
        session = given;
    }
    divergence(name, "resumed %d, then %d", reused[0], reused[1]);
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

int main(void)
{
    return_after_floods("returning_client_tls12", TLS1_2_VERSION);
    return_after_floods("returning_client_tls13", TLS1_3_VERSION);
    return 0;
}
