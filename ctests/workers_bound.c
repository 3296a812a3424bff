/*
 * The bound of a cache that workers share is one bound: exact, no matter which worker adds and which sets it.
 * SSL_CTX_sess_set_cache_size(3).
 */
#include "workers.h"

int main(void)
{
    enum { WORKERS = 3, VISITS = 20, SIZE = 10 };
    Worker workers[WORKERS];
    int i, visit;
    long most = 0;
    open_shop(TLS1_2_VERSION);
    SSL_CTX_sess_set_cache_size(server, SIZE);
    for (i = 0; i < WORKERS; i++)
        workers[i] = worker_start();
    for (visit = 0; visit < VISITS; visit++)
        for (i = 0; i < WORKERS; i++) {
            long number;
            ticket_from(&workers[i]);
            number = worker_do(&workers[(i + 1) % WORKERS], NUMBER, 0, NULL);
            most = number > most ? number : most;
        }
    divergence("workers_bound_most", "%ld", most);
    for (i = 0; i < WORKERS; i++)
        divergence("workers_bound_number", "%ld", worker_do(&workers[i], NUMBER, 0, NULL));
    printf("before: %ld\n", worker_do(&workers[0], SET_SIZE, 4, NULL));
    ticket_from(&workers[1]);
    divergence("workers_bound_smaller", "%ld", worker_do(&workers[2], NUMBER, 0, NULL));
    for (i = 0; i < WORKERS; i++)
        worker_end(&workers[i]);
    close_shop();
    return 0;
}
