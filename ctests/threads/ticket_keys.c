/*
 * Eight threads make and open tickets with shared keys: all are resumed.
 *
 * settings: SSLCACHE_TICKET_KEYS=shared
 */
#include "threads.h"

#define ROUNDS 4
#define RESUMPTIONS 4

static SSL_CTX *server, *client;
static atomic_int resumed;

static void *visits(void *argument)
{
    int round, i, reused;
    (void)argument;
    for (round = 0; round < ROUNDS; round++) {
        SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
        NEED(session != NULL);
        for (i = 0; i < RESUMPTIONS; i++) {
            SSL_SESSION *next = visit_quietly(client, server, session, &reused);
            atomic_fetch_add(&resumed, reused);
            SSL_SESSION_free(session);
            session = next;
        }
        SSL_SESSION_free(session);
    }
    return NULL;
}

static void run(const char *name, int version)
{
    server = server_context("server", version);
    client = client_context("client", version);
    SSL_CTX_clear_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_clear_options(client, SSL_OP_NO_TICKET);
    resumed = 0;
    in_threads(visits);
    printf("%s: resumed %d of %d\n", name, atomic_load(&resumed), THREADS * ROUNDS * RESUMPTIONS);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    run("TLS 1.2", TLS1_2_VERSION);
    run("TLS 1.3", TLS1_3_VERSION);
    return 0;
}
