/*
 * Worker processes that make their contexts after the fork resume each other's stateless tickets, if ticket keys are
 * shared; nothing of libssl was used before the fork. sslcache(7), "Ticket keys".
 *
 * settings: SSLCACHE_TICKET_KEYS=shared
 */
#include "workers.h"

static Worker worker_with_context(int version)
{
    Worker worker = worker_start();
    worker_do(&worker, OPEN_TICKET_SHOP, version, NULL);
    return worker;
}

static void share(const char *name, int version)
{
    Worker a = worker_with_context(version), b = worker_with_context(version), late;
    Ticket first = ticket_from(&a), next;
    heading("%s", name);
    printf("at its own worker: %ld\n", resumed_at(&a, &first));
    divergence("ticket_keys_shared", "%ld", resumed_at(&b, &first));
    late = worker_with_context(version);
    next = first;
    divergence("ticket_keys_shared", "%ld", worker_do(&late, VISIT, 0, &next));
    divergence("ticket_keys_shared", "%ld", resumed_at(&b, &next));
    worker_end(&a);
    printf("while the first has ended: %ld\n", resumed_at(&late, &next));
    worker_end(&b);
    worker_end(&late);
}

int main(void)
{
    make_certificate();
    share("TLS 1.2", TLS1_2_VERSION);
    share("TLS 1.3", TLS1_3_VERSION);
    return 0;
}
