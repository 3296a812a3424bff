/*
 * A client without a certificate has a session of one server, or of one of its addresses or names, and offers it at
 * another, which may have another access rule: is the client let in?
 *
 *     crossing CERTIFICATE 1.2|1.3 TRIES TALK MADE-AT OFFERED-AT KEY [certified]
 *
 * The servers are addresses, or NAME@ADDRESS. Every try makes a session of its own; with `certified`, the client shows
 * CERTIFICATE as its own from the beginning. Prints one line,
 *
 *     tried=10 held=10 resumed=0 let_in=0 with_certificate=1
 *
 * where `held` counts the sessions that a server holds, `resumed` the offers after which the handshake was a resumption,
 * `let_in` those after which the server answered a request, and `with_certificate` is 1 if it answers a client that shows
 * CERTIFICATE as its own.
 */
#include "visits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The address of a server whose name the next visit asks for. */
static const char *at(char *server)
{
    static char name[64];
    char *sign = strchr(server, '@');

    server_name = NULL;
    if (sign == NULL)
        return server;
    snprintf(name, sizeof name, "%.*s", (int)(sign - server), server);
    server_name = name;
    return sign + 1;
}

static void show(SSL_CTX *ctx, const char *certificate, const char *key)
{
    if (SSL_CTX_use_certificate_file(ctx, certificate, SSL_FILETYPE_PEM) != 1
        || SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        die(key, "no certificate and key");
}

int main(int argc, char **argv)
{
    int tries = argc == 8 || argc == 9 ? atoi(argv[3]) : 0, held = 0, resumed = 0, let_in = 0;
    struct visitor known = {0};
    SSL_CTX *ctx;

    if (tries <= 0) {
        fprintf(stderr, "usage: crossing CERTIFICATE 1.2|1.3 TRIES TALK MADE-AT OFFERED-AT KEY [certified]\n");
        return 2;
    }
    ctx = client_context(argv[1], argv[2]);
    if (strcmp(argv[2], "1.2") == 0)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (argc == 9)
        show(ctx, argv[1], argv[7]);
    for (int i = 0; i < tries; i++) {
        struct visitor visitor = {0};
        int reused;

        if (visit(ctx, at(argv[5]), argv[4], &visitor))
            die(argv[5], "resumed the first visit");
        held += visitor.session != NULL && held_by_server(visitor.session);
        let_in += is_let_in(ctx, at(argv[6]), argv[4], &visitor, &reused);
        resumed += reused;
        SSL_SESSION_free(visitor.session);
    }
    show(ctx, argv[1], argv[7]);
    printf("tried=%d held=%d resumed=%d let_in=%d with_certificate=%d\n", tries, held, resumed, let_in,
           is_let_in(ctx, at(argv[6]), argv[4], &known, &(int){0}));
    SSL_SESSION_free(known.session);
    SSL_CTX_free(ctx);
    return 0;
}
