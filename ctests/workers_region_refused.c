/*
 * A region with a name that cannot be made leaves the processes of a tree what they have with nothing set: workers forked
 * after their server's context was made share its cache.
 * settings: SSLCACHE_REGION=/nowhere/at/all/region
 */
#include "workers.h"

int main(void)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    int i;
    NEED(freopen("/dev/null", "w", stderr) != NULL); /* where the refusal is said */
    for (i = 0; i < 2; i++) {
        Worker a, b;
        Ticket ticket;
        char label[64];
        open_shop(versions[i]);
        a = worker_start();
        b = worker_start();
        ticket = ticket_from(&a);
        printf("at its own worker: %ld\n", resumed_at(&a, &ticket));
        snprintf(label, sizeof label, "workers_region_refused_%d", i);
        divergence(label, "%ld", resumed_at(&b, &ticket));
        worker_end(&a);
        worker_end(&b);
        close_shop();
    }
    return 0;
}
