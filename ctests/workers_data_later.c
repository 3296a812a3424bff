/*
 * A session that the application gives data of its own once the handshake is done, as programs do that find out then who
 * the client is: others would resume it without the data, so it stays where it was made. SSL_SESSION_set_ex_data(3).
 */
#include "workers.h"

static void run(int version)
{
    Worker a, b;
    Ticket ticket, other;
    printf("-- version %#x\n", (unsigned)version);
    open_shop(version);
    SSL_CTX_set_num_tickets(server, 1);
    a = worker_start();
    b = worker_start();
    other = ticket_from(&a);
    ticket = ticket_from(&a);
    divergence(version == TLS1_2_VERSION ? "workers_share_tls12" : "workers_share_tls13", "%ld", resumed_at(&b, &ticket));
    worker_do(&a, LATE_DATA, 0, NULL);
    printf("with data: elsewhere %ld", resumed_at(&b, &ticket));
    printf(", where it was made %ld", resumed_at(&a, &ticket));
    printf(" and again %ld\n", resumed_at(&a, &ticket));
    divergence(version == TLS1_2_VERSION ? "workers_share_tls12" : "workers_share_tls13", "%ld", resumed_at(&b, &other));
    worker_do(&a, REMOVE_LAST, 0, NULL);
    printf("removed: elsewhere %ld", resumed_at(&b, &ticket));
    printf(", where it was made %ld\n", resumed_at(&a, &ticket));
    worker_end(&a);
    worker_end(&b);
    close_shop();
}

int main(void)
{
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    return 0;
}
