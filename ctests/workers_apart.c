/*
 * What stays apart among workers: another context with the same certificate, a session with the application's own
 * data; and a session's timeout holds for all. SSL_CTX_set_session_id_context(3), SSL_SESSION_set_timeout(3).
 */
#include "workers.h"

static void other_context(int version)
{
    Worker a, b;
    SSL_CTX *first;
    Ticket ticket;
    heading("another context, version %#x", (unsigned)version);
    open_shop(version);
    a = worker_start();
    first = server;
    server = server_context("another", version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_sess_set_new_cb(server, keep_last);
    b = worker_start();
    ticket = ticket_from(&a);
    printf("%ld\n", resumed_at(&b, &ticket));
    ticket = ticket_from(&b);
    printf("%ld\n", resumed_at(&a, &ticket));
    worker_end(&a);
    worker_end(&b);
    SSL_CTX_free(first);
    close_shop();
}

static void own_data(Worker *a, Worker *b)
{
    Ticket ticket = ticket_from(a);
    worker_do(a, OWN_DATA, 0, NULL);
    printf("at its worker: %ld\n", resumed_at(a, &ticket));
    printf("elsewhere: %ld\n", resumed_at(b, &ticket));
    divergence("workers_apart_number", "%ld", worker_do(a, NUMBER, 0, NULL));
}

static void timeouts(Worker *a, Worker *b)
{
    Ticket ticket = ticket_from(a);
    printf("before: %ld\n", worker_do(a, SET_TIMEOUT, 1, NULL));
    sleep(3);
    printf("expired: %ld %ld\n", resumed_at(b, &ticket), resumed_at(a, &ticket));
}

static void with_two_workers(const char *name, void (*body)(Worker *, Worker *))
{
    Worker a, b;
    heading("%s", name);
    open_shop(TLS1_2_VERSION);
    a = worker_start();
    b = worker_start();
    body(&a, &b);
    worker_end(&a);
    worker_end(&b);
    close_shop();
}

int main(void)
{
    other_context(TLS1_2_VERSION);
    other_context(TLS1_3_VERSION);
    with_two_workers("own data", own_data);
    with_two_workers("timeout", timeouts);
    return 0;
}
