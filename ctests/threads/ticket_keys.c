/*
 * Eight threads make and open tickets with shared keys: all are resumed.
 *
 * settings: SSLCACHE_TICKET_KEYS=shared
 */
#include "visits.h"

static void run(const char *name, int version)
{
    heading("%s", name);
    server = with_tickets(server_context("server", version));
    client = with_tickets(client_context("client", version));
    visit_in_threads(4);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    run("TLS 1.2", TLS1_2_VERSION);
    run("TLS 1.3", TLS1_3_VERSION);
    return 0;
}
