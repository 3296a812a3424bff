/*
 * One cache for all worker processes: what one worker caches all resume, and what one removes is gone for all.
 * DESIGN.md, "Shared memory".
 */
#include "workers.h"

#define DIVERGENCE(what, value)                                                                    \
    (snprintf(label, sizeof label, "%s_%s", what, name), divergence(label, "%ld", (long)(value)))

static void run(int version, const char *name)
{
    char label[64];
    Worker a, b;
    Ticket ticket, next, before;
    SSL_SESSION *session;
    open_shop(version);
    heading("%s", name);
    session = visit_quietly(client, server, NULL, NULL);
    before = as_ticket(session);
    SSL_SESSION_free(session);
    a = worker_start();
    b = worker_start();
    printf("of before the fork: %ld %ld\n", resumed_at(&a, &before), resumed_at(&b, &before));
    ticket = ticket_from(&a);
    printf("at its own worker: %ld\n", resumed_at(&a, &ticket));
    DIVERGENCE("workers_share", resumed_at(&b, &ticket));
    next = ticket;
    worker_do(&b, VISIT, 0, &next);
    DIVERGENCE("workers_share_and_back", resumed_at(&a, &next));
    session = visit_quietly(client, server, NULL, NULL);
    next = as_ticket(session);
    SSL_SESSION_free(session);
    DIVERGENCE("workers_share_the_parents", resumed_at(&b, &next));

    heading("removed by the application, by an unclean end, by a flush");
    ticket = ticket_from(&a);
    printf("in the cache: %ld\n", worker_do(&a, REMOVE_LAST, 0, NULL));
    printf("removed: %ld %ld\n", resumed_at(&a, &ticket), resumed_at(&b, &ticket));
    ticket = ticket_from(&a);
    printf("broken: %ld\n", worker_do(&a, VISIT_AND_BREAK, 0, &ticket));
    printf("after it: %ld %ld\n", version == TLS1_2_VERSION ? resumed_at(&a, &ticket) : 0,
           version == TLS1_2_VERSION ? resumed_at(&b, &ticket) : 0);
    ticket = ticket_from(&a);
    worker_do(&b, FLUSH, 0, NULL);
    DIVERGENCE("workers_share_a_flush", resumed_at(&a, &ticket));
    DIVERGENCE("workers_share_a_flush_number", worker_do(&b, NUMBER, 0, NULL));

    heading("the number, and a worker that ends");
    worker_do(&a, FLUSH, 0, NULL);
    worker_do(&b, FLUSH, 0, NULL);
    ticket = ticket_from(&a);
    next = ticket_from(&b);
    DIVERGENCE("workers_share_the_number", worker_do(&b, NUMBER, 0, NULL));
    worker_do(&a, FREE_CONTEXT, 0, NULL);
    worker_end(&a);
    DIVERGENCE("workers_outlive", resumed_at(&b, &ticket));
    printf("its own: %ld\n", resumed_at(&b, &next));
    worker_end(&b);
    close_shop();
}

int main(void)
{
    run(TLS1_2_VERSION, "tls12");
    run(TLS1_3_VERSION, "tls13");
    return 0;
}
