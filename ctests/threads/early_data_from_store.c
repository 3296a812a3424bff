/*
 * Eight threads offer the same ticket with early data at once to a server whose get callback hands
 * out a fresh copy until the remove callback was called: never is it accepted twice. The host has a
 * moment between the two in which it can happen (divergence). LIBSSL.md section 2, "Early data";
 * COMPATIBILITY.md, "replay_while_removing".
 */
#include "threads.h"

#include "early_data.h"

#include <dlfcn.h>

#define ROUNDS 150

static SSL_CTX *server, *client;
static SSL_SESSION *tickets[THREADS];
static atomic_int accepted, failed;
static pthread_barrier_t all_have_spoken;

/* The store: one session, encoded, as in a shared memory or another process. */
static pthread_mutex_t store = PTHREAD_MUTEX_INITIALIZER;
static unsigned char encoded[8192];
static int encoded_length;
static unsigned char stored_id[SSL_MAX_SSL_SESSION_ID_LENGTH];

static int is_stored(const unsigned char *id, unsigned length)
{
    return encoded_length > 0 && length == sizeof stored_id && memcmp(id, stored_id, length) == 0;
}

static int put(SSL *ssl, SSL_SESSION *session)
{
    unsigned char *end = encoded;
    unsigned length;
    const unsigned char *id = SSL_SESSION_get_id(session, &length);
    (void)ssl;
    NEED(length == sizeof stored_id && i2d_SSL_SESSION(session, NULL) <= (int)sizeof encoded);
    pthread_mutex_lock(&store);
    encoded_length = i2d_SSL_SESSION(session, &end);
    memcpy(stored_id, id, length);
    pthread_mutex_unlock(&store);
    return 0;
}

static SSL_SESSION *get(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    SSL_SESSION *session = NULL;
    const unsigned char *end = encoded;
    (void)ssl;
    *copy = 0;
    pthread_mutex_lock(&store);
    if (is_stored(id, (unsigned)length))
        session = d2i_SSL_SESSION(NULL, &end, encoded_length);
    pthread_mutex_unlock(&store);
    return session;
}

static void forget(SSL_CTX *ctx, SSL_SESSION *session)
{
    unsigned length;
    const unsigned char *id = SSL_SESSION_get_id(session, &length);
    (void)ctx;
    pthread_mutex_lock(&store);
    if (is_stored(id, length))
        encoded_length = 0;
    pthread_mutex_unlock(&store);
}

static void wait_for_all(void)
{
    pthread_barrier_wait(&all_have_spoken);
}

static void *offer(void *argument)
{
    int result = offer_early_data(client, server, tickets[(long)argument], NULL, NULL);
    atomic_fetch_add(result == 1 ? &accepted : &failed, result != 0);
    return NULL;
}

/* In how many rounds an offer was accepted. */
static int rounds_accepted(int *more_than_once)
{
    int round, i, rounds = 0;
    for (round = 0; round < ROUNDS; round++) {
        SSL_SESSION *ticket;
        SSL_CTX_sess_set_new_cb(server, put);
        ticket = visit_quietly(client, server, NULL, NULL);
        SSL_CTX_sess_set_new_cb(server, NULL);
        accepted = 0;
        for (i = 0; i < THREADS; i++)
            tickets[i] = decoded_copy(ticket);
        in_threads(offer);
        rounds += accepted >= 1;
        *more_than_once += accepted > 1;
        for (i = 0; i < THREADS; i++)
            SSL_SESSION_free(tickets[i]);
        SSL_SESSION_free(ticket);
    }
    return rounds;
}

int main(void)
{
    int more_than_once = 0;
    server = early_server("server");
    client = client_context("client", TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_sess_set_get_cb(server, get);
    SSL_CTX_sess_set_remove_cb(server, forget);
    NEED(pthread_barrier_init(&all_have_spoken, NULL, THREADS) == 0);
    before_the_server = wait_for_all;
    TRACE(rounds_accepted(&more_than_once) == ROUNDS);
    TRACE(failed);
    /* How often it happens on the host is a matter of chance. */
    if (dlsym(RTLD_DEFAULT, "sslcache_version") == NULL)
        more_than_once = -1;
    divergence("accepted_twice", "%s", more_than_once < 0 ? "now and then" : more_than_once == 0 ? "never" : "yes");
    pthread_barrier_destroy(&all_have_spoken);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
    return 0;
}
