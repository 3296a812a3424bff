/*
 * Early data with anti-replay: a ticket is accepted once, whichever worker sees it. LIBSSL.md section 2, "Early data".
 */
#include "workers.h"

int main(void)
{
    Worker a, b;
    Ticket ticket, again, before;
    SSL_SESSION *session;
    open_shop(TLS1_3_VERSION);
    NEED(SSL_CTX_set_max_early_data(server, 16384));
    session = visit_quietly(client, server, NULL, NULL);
    before = as_ticket(session);
    SSL_SESSION_free(session);
    a = worker_start();
    b = worker_start();

    again = before;
    printf("of before the fork, at one: %ld\n", worker_do(&a, VISIT_EARLY, 0, &again));
    again = before;
    divergence("workers_replay_of_before", "%ld", worker_do(&b, VISIT_EARLY, 0, &again));

    ticket = ticket_from(&a);
    again = ticket;
    divergence("workers_early_data_elsewhere", "%ld", worker_do(&b, VISIT_EARLY, 0, &again));
    again = ticket;
    divergence("workers_replay", "%ld", worker_do(&a, VISIT_EARLY, 0, &again));
    again = ticket;
    printf("once more: %ld\n", worker_do(&b, VISIT_EARLY, 0, &again));

    ticket = ticket_from(&b);
    again = ticket;
    printf("at its own: %ld\n", worker_do(&b, VISIT_EARLY, 0, &again));
    again = ticket;
    printf("then elsewhere: %ld\n", worker_do(&a, VISIT_EARLY, 0, &again));
    worker_end(&a);
    worker_end(&b);
    close_shop();
    return 0;
}
