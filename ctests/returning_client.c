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

#define OTHERS 190
#define CLIENTS 20

static const char *share_of_clients(int number)
{
    return number == 0 ? "nobody" : number > CLIENTS / 10 ? "many" : "few";
}

/* The others keep their places, so that only who is known to have come back gets one. Many are: a later departure may take the
 * place of what is remembered of one. With `groups` the server wants another key share than the clients send at first, and looks
 * each session up twice. */
static void return_beside_others(const char *name, const char *groups)
{
    SSL_CTX *server = server_context("server", TLS1_3_VERSION), *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *sessions[CLIENTS];
    int reused, resumed[2] = { 0, 0 };
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_sess_set_cache_size(server, 200);
    for (int i = 0; i < OTHERS; i++) {
        SSL_SESSION *first = visit_quietly(client, server, NULL, NULL), *next = visit_quietly(client, server, first, &reused);
        NEED(reused == 1);
        SSL_SESSION_free(first);
        SSL_SESSION_free(next);
    }
    flood(server, TLS1_3_VERSION, 1000);
    SSL_CTX_set_timeout(server, 60);
    if (groups != NULL)
        NEED(SSL_CTX_set1_groups_list(server, groups) == 1 && SSL_CTX_set1_groups_list(client, "X25519:P-256") == 1);
    for (int i = 0; i < CLIENTS; i++)
        sessions[i] = visit_quietly(client, server, NULL, NULL);
    for (int round = 0; round < 2; round++) {
        flood(server, TLS1_3_VERSION, round == 0 ? 30 : 1000);
        for (int i = 0; i < CLIENTS; i++) {
            SSL_SESSION *given = visit_quietly(client, server, sessions[i], &reused);
            resumed[round] += reused;
            SSL_SESSION_free(sessions[i]);
            sessions[i] = given;
        }
    }
    divergence(name, "resumed %s, then %s", share_of_clients(resumed[0]), share_of_clients(resumed[1]));
    for (int i = 0; i < CLIENTS; i++)
        SSL_SESSION_free(sessions[i]);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

int main(void)
{
    return_after_floods("returning_client_tls12", TLS1_2_VERSION);
    return_after_floods("returning_client_tls13", TLS1_3_VERSION);
    return_beside_others("returning_beside_others", NULL);
    return_beside_others("returning_retried", "P-256");
    return 0;
}
