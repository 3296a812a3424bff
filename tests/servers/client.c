/*
 * Clients that all come once, then all come back, in another order: how many were resumed?
 *
 *     client ADDRESS CERTIFICATE 1.2|1.3 CLIENTS [pause [NAME]]
 *
 * With `pause` they come back when a line arrives on stdin; that they have all come is said by a line
 * `gone`. NAME is the server name that they send. Prints one line,
 *
 *     full=100 resumed=100 held=server
 *
 * where `held` says who keeps the sessions: the server under an id (or under a TLS 1.3 stateful
 * ticket, which is an id too), the client in a sealed ticket, `both` or `none`.
 */
#include "visits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *holder(const struct visitor *visitors, int count)
{
    int server = 0, client = 0;

    for (int i = 0; i < count; i++) {
        if (visitors[i].session == NULL)
            continue;
        if (held_by_server(visitors[i].session))
            server++;
        else if (SSL_SESSION_has_ticket(visitors[i].session))
            client++;
    }
    return server && client ? "both" : server ? "server" : client ? "client" : "none";
}

static void wait_for_a_line(void)
{
    int byte;

    puts("gone");
    fflush(stdout);
    do
        byte = getchar();
    while (byte != '\n' && byte != EOF);
}

/*
 * Another order, the same in every run. In the same one it would be the beat in which the kernel deals connections out
 * that decides who meets the same worker again: of eight workers nobody, or everybody.
 */
static void shuffle(struct visitor *visitors, int count)
{
    unsigned state = 1;

    for (int i = count - 1; i > 0; i--) {
        struct visitor other;
        int j;
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        j = (int)(state % (unsigned)(i + 1));
        other = visitors[i];
        visitors[i] = visitors[j];
        visitors[j] = other;
    }
}

int main(int argc, char **argv)
{
    int count = argc >= 5 ? atoi(argv[4]) : 0;
    int resumed[2] = {0, 0};
    struct visitor *visitors;
    const char *held;
    SSL_CTX *ctx;

    if (count <= 0 || argc > 7 || (argc >= 6 && strcmp(argv[5], "pause") != 0)) {
        fprintf(stderr, "usage: client ADDRESS CERTIFICATE 1.2|1.3 CLIENTS [pause [NAME]]\n");
        return 2;
    }
    if (argc == 7)
        server_name = argv[6];
    ctx = client_context(argv[2], argv[3]);
    visitors = calloc((size_t)count, sizeof *visitors);
    if (visitors == NULL)
        die(argv[1], "out of memory");
    for (int i = 0; i < count; i++)
        resumed[0] += visit(ctx, argv[1], "http", &visitors[i]);
    held = holder(visitors, count);
    if (argc >= 6)
        wait_for_a_line();
    shuffle(visitors, count);
    for (int i = 0; i < count; i++)
        resumed[1] += visit(ctx, argv[1], "http", &visitors[i]);
    printf("full=%d resumed=%d held=%s\n", count - resumed[0], resumed[1], held);
    for (int i = 0; i < count; i++)
        SSL_SESSION_free(visitors[i].session);
    free(visitors);
    SSL_CTX_free(ctx);
    return 0;
}
