/*
 * Sessions of before the fork: all of them are there afterwards, in each process; what one process removes is gone for
 * all, and one that comes and goes takes nothing along. DESIGN.md, "Shared memory".
 */
#include "workers.h"

enum { SESSIONS = 150 };
static Ticket tickets[SESSIONS];

static long resumed_of_all(const Worker *worker)
{
    long resumed = 0;
    int i;
    for (i = 0; i < SESSIONS; i++)
        resumed += resumed_at(worker, &tickets[i]);
    return resumed;
}

static void fill(void)
{
    int i;
    open_shop(TLS1_2_VERSION);
    for (i = 0; i < SESSIONS; i++) {
        SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
        tickets[i] = as_ticket(session);
        SSL_SESSION_free(session);
    }
}

int main(void)
{
    Worker a, b;
    fill();
    a = worker_start();
    b = worker_start();
    heading("one that frees its context at once");
    worker_do(&a, FREE_CONTEXT, 0, NULL);
    worker_end(&a);
    printf("number: %ld %ld\n", SSL_CTX_sess_number(server), worker_do(&b, NUMBER, 0, NULL));
    printf("resumed: %ld\n", resumed_of_all(&b));
    worker_end(&b);
    close_shop();

    heading("one that flushes at once");
    fill();
    a = worker_start();
    b = worker_start();
    worker_do(&a, FLUSH, 0, NULL);
    printf("there: %ld\n", worker_do(&a, NUMBER, 0, NULL));
    divergence("workers_before_flushed", "%ld", worker_do(&b, NUMBER, 0, NULL));
    divergence("workers_before_flushed_resumed", "%ld", resumed_of_all(&b));
    worker_end(&a);
    worker_end(&b);
    close_shop();
    return 0;
}
