/*
 * Eight threads make full and resumed handshakes on one server context: each session is resumed
 * every time, nothing is lost. LIBSSL.md section 1; issue 2, "threads".
 */
#include "threads.h"

#define ROUNDS 10
#define RESUMPTIONS 4

static SSL_CTX *server, *client;
static atomic_int full, resumed;

static void *visits(void *argument)
{
    int round, i, reused;
    (void)argument;
    for (round = 0; round < ROUNDS; round++) {
        SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
        NEED(session != NULL);
        atomic_fetch_add(&full, 1);
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

static void run(int version, int early_data)
{
    printf("-- version %#x%s\n", (unsigned)version, early_data ? ", early data allowed" : "");
    server = server_context("server", version);
    client = client_context("client", version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_max_early_data(server, early_data ? 1000 : 0);
    full = resumed = 0;
    in_threads(visits);
    printf("full %d, resumed %d\n", atomic_load(&full), atomic_load(&resumed));
    print_counters(server);
    printf("alive beside the cached: %ld\n", live_sessions() - SSL_CTX_sess_number(server));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION, 0);
    run(TLS1_3_VERSION, 0);
    run(TLS1_3_VERSION, 1);
    return 0;
}
