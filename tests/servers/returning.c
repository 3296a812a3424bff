/*
 * One client that comes back again and again, with the session of the visit before: how often was it resumed?
 *
 *     returning CERTIFICATE 1.2|1.3 VISITS TALK ADDRESS...
 *
 * Every visit is a new connection, so that any of a server's processes may get it. With several addresses
 * they are visited in turn, so that each session is offered to another server than the one that made it.
 * Over TLS 1.2 the client knows no tickets. Prints one line,
 *
 *     resumed=200 held=200
 *
 * where `held` counts the visits that offered a session which a server holds.
 */
#include "visits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    int visits = argc >= 6 ? atoi(argv[3]) : 0, resumed = 0, held = 0;
    struct visitor visitor = {0};
    char **addresses = argv + 5;
    SSL_CTX *ctx;

    if (visits <= 0) {
        fprintf(stderr, "usage: returning CERTIFICATE 1.2|1.3 VISITS TALK ADDRESS...\n");
        return 2;
    }
    ctx = client_context(argv[1], argv[2]);
    if (strcmp(argv[2], "1.2") == 0)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (visit(ctx, addresses[0], argv[4], &visitor))
        die(addresses[0], "resumed the first visit");
    for (int i = 1; i <= visits; i++) {
        held += visitor.session != NULL && held_by_server(visitor.session);
        resumed += visit(ctx, addresses[i % (argc - 5)], argv[4], &visitor);
    }
    printf("resumed=%d held=%d\n", resumed, held);
    SSL_SESSION_free(visitor.session);
    SSL_CTX_free(ctx);
    return 0;
}
