/*
 * FTP over TLS, where a data connection has to resume a session: does a stranger's session open it?
 *
 *     theft CERTIFICATE 1.2|1.3 PORT TRIES USER PASSWORD FILE
 *
 * For each try Alice logs in, asks for a data port and for FILE. Mallory, who has the session of a connection of her
 * own, is at that port before Alice. Every other time Mallory has not logged in, and has gone meanwhile; else she has,
 * by the same name. Then Alice logs in anew and gets the file over a data connection that offers the session of her
 * control connection. Prints one line,
 *
 *     tried=10 held=10 resumed=0 stolen=0 own=10
 *
 * where `held` counts the sessions of Mallory that the server holds, `resumed` her data connections that were resumed,
 * `stolen` those that brought a byte, and `own` the files that Alice got.
 */
#include "ftp.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A data connection: bytes that came, or -1 if there was no handshake. */
static long receive(SSL_CTX *ctx, int fd, struct visitor *visitor, int *resumed)
{
    SSL *data = begin(ctx, fd, "data", visitor->session, visitor);
    char answer[4096];
    long bytes = -1;
    size_t got;

    if (SSL_connect(data) == 1) {
        *resumed += SSL_session_reused(data);
        for (bytes = 0; SSL_read_ex(data, answer, sizeof answer, &got);)
            bytes += (long)got;
        SSL_shutdown(data);
    }
    SSL_free(data);
    close(fd);
    return bytes;
}

/* Closes a control connection that the server may have closed. */
static void abandon(struct control *control)
{
    close(SSL_get_fd(control->ssl));
    SSL_free(control->ssl);
}

/* Logs in and asks for FILE; the socket of the data connection, on which the handshake is next. */
static int ask(SSL_CTX *ctx, struct control *control, const char *user, const char *password, const char *file,
               const char *code)
{
    char line[512], address[16];
    int fd;

    greet(ctx, control);
    log_in(control, user, password);
    fd = open_data(control, address, sizeof address);
    command(control, "RETR ", file, code, line, sizeof line);
    return fd;
}

int main(int argc, char **argv)
{
    int tries = argc == 8 ? atoi(argv[4]) : 0, held = 0, resumed = 0, stolen = 0, own = 0;
    const char *user, *password, *file;
    SSL_CTX *ctx;

    if (tries <= 0) {
        fprintf(stderr, "usage: theft CERTIFICATE 1.2|1.3 PORT TRIES USER PASSWORD FILE\n");
        return 2;
    }
    user = argv[5], password = argv[6], file = argv[7];
    ctx = ftp_context(argv[1], argv[2]);
    for (int i = 0; i < tries; i++) {
        struct control robbed = {.port = argv[3]}, alice = {.port = argv[3]}, mallory = {.port = argv[3]};
        int fd, ignored;

        greet(ctx, &mallory);
        if (i % 2 == 0)
            quit(&mallory);
        else
            log_in(&mallory, user, password);
        held += mallory.visitor.session != NULL && held_by_server(mallory.visitor.session);
        fd = ask(ctx, &robbed, user, password, file, NULL);
        stolen += receive(ctx, fd, &mallory.visitor, &resumed) > 0;
        abandon(&robbed);
        fd = ask(ctx, &alice, user, password, file, "150");
        if (receive(ctx, fd, &alice.visitor, &ignored) > 0) {
            char line[512];
            expect(&alice, "226", line, sizeof line);
            own++;
        }
        quit(&alice);
        if (i % 2 != 0)
            quit(&mallory);
        SSL_SESSION_free(robbed.visitor.session);
        SSL_SESSION_free(alice.visitor.session);
        SSL_SESSION_free(mallory.visitor.session);
    }
    printf("tried=%d held=%d resumed=%d stolen=%d own=%d\n", tries, held, resumed, stolen, own);
    SSL_CTX_free(ctx);
    return 0;
}
