/*
 * Sessions that stay in a worker, as the new callback gives them data of the application's, are bounded like all: the
 * remove callback is told of each that has to leave. SSL_CTX_sess_set_cache_size(3), SSL_CTX_sess_set_remove_cb(3).
 */
#include "common.h"

static SSL_CTX *server, *client;
static int data_index, removed;

int sessions_are_bare(void)
{
    return 1;
}

static int give_data(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    NEED(SSL_SESSION_set_ex_data(session, data_index, "data"));
    return 0;
}

static void count_removed(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    NEED(SSL_SESSION_get_ex_data(session, data_index) != NULL);
    removed++;
}

static void five_visits(void)
{
    int i;
    for (i = 0; i < 5; i++)
        SSL_SESSION_free(visit_quietly(client, server, NULL, NULL));
    divergence("workers_private_full", "%ld %d", SSL_CTX_sess_number(server), removed);
    printf("together: %ld\n", SSL_CTX_sess_number(server) + removed);
}

int main(void)
{
    data_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    server = server_context("server", TLS1_2_VERSION);
    client = client_context("client", TLS1_2_VERSION);
    SSL_CTX_sess_set_cache_size(server, 3);
    SSL_CTX_sess_set_new_cb(server, give_data);
    SSL_CTX_sess_set_remove_cb(server, count_removed);
    printf("the worker %s\n", ending_in_child(five_visits));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
