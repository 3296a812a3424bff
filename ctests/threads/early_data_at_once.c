/*
 * Eight threads offer the same ticket with early data at once: exactly one is accepted, each round.
 * LIBSSL.md section 2, "Early data" ("that take is the single-use decision").
 */
#include "threads.h"

#include "early_data.h"

#define ROUNDS 60

static SSL_CTX *server, *client;
static SSL_SESSION *tickets[THREADS];
static atomic_int accepted, refused, failed;
static pthread_barrier_t all_have_spoken;

/* The servers look the ticket up as nearly at the same moment as can be had. */
static void wait_for_all(void)
{
    pthread_barrier_wait(&all_have_spoken);
}

static void *offer(void *argument)
{
    int result = offer_early_data(client, server, tickets[(long)argument], NULL, NULL);
    atomic_fetch_add(result == 1 ? &accepted : result == 0 ? &refused : &failed, 1);
    return NULL;
}

static void run(const char *what, long options, long mode)
{
    int round, exactly_one = 0, i;
    heading("%s", what);
    server = early_server("server");
    client = client_context("client", TLS1_3_VERSION);
    SSL_CTX_set_options(server, options);
    SSL_CTX_set_session_cache_mode(server, mode);
    refused = failed = 0;
    for (round = 0; round < ROUNDS; round++) {
        SSL_SESSION *ticket = visit_quietly(client, server, NULL, NULL);
        accepted = 0;
        for (i = 0; i < THREADS; i++)
            tickets[i] = decoded_copy(ticket);
        in_threads(offer);
        exactly_one += accepted == 1;
        for (i = 0; i < THREADS; i++)
            SSL_SESSION_free(tickets[i]);
        SSL_SESSION_free(ticket);
    }
    printf("rounds with exactly one acceptance: %d of %d; refused %d, failed %d\n", exactly_one, ROUNDS,
           atomic_load(&refused), atomic_load(&failed));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    NEED(pthread_barrier_init(&all_have_spoken, NULL, THREADS) == 0);
    before_the_server = wait_for_all;
    run("stateless tickets", 0, SSL_SESS_CACHE_SERVER);
    run("stateful tickets", SSL_OP_NO_TICKET, SSL_SESS_CACHE_SERVER);
    run("NO_INTERNAL: nobody is", 0, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    pthread_barrier_destroy(&all_have_spoken);
    return 0;
}
