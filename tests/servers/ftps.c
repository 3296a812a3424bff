/*
 * FTP over TLS: does every data connection resume the session of its control connection?
 *
 *     ftps CERTIFICATE 1.2|1.3 PORT TRANSFERS USER PASSWORD FILE
 *
 * Ten transfers of FILE for each control connection, every one over a data connection of its own. A server
 * that insists on resumption refuses the others. Prints one line,
 *
 *     transferred=100 resumed=100 bytes=600
 */
#include "ftp.h"
#include <stdio.h>
#include <stdlib.h>

enum { TRANSFERS_A_LOGIN = 10 };

/* One file over a data connection that offers the control connection's session, or the ticket that came last: a TLS 1.3
 * ticket is for one use. Its bytes. */
static long transfer(SSL_CTX *ctx, struct control *control, const char *file, int *resumed)
{
    char line[512], answer[4096], address[16];
    int fd = open_data(control, address, sizeof address);
    long bytes = 0;
    size_t got;
    SSL *data;

    command(control, "RETR ", file, "150", line, sizeof line);
    data = shake_hands(ctx, fd, address, control->visitor.session, &control->visitor);
    *resumed += SSL_session_reused(data);
    while (SSL_read_ex(data, answer, sizeof answer, &got))
        bytes += (long)got;
    part(data, address);
    expect(control, "226", line, sizeof line);
    return bytes;
}

int main(int argc, char **argv)
{
    int count = argc == 8 ? atoi(argv[4]) : 0, resumed = 0;
    struct control control = {0};
    long bytes = 0;
    SSL_CTX *ctx;

    if (count <= 0) {
        fprintf(stderr, "usage: ftps CERTIFICATE 1.2|1.3 PORT TRANSFERS USER PASSWORD FILE\n");
        return 2;
    }
    control.port = argv[3];
    ctx = ftp_context(argv[1], argv[2]);
    for (int i = 0; i < count; i++) {
        if (i % TRANSFERS_A_LOGIN == 0) {
            greet(ctx, &control);
            log_in(&control, argv[5], argv[6]);
        }
        bytes += transfer(ctx, &control, argv[7], &resumed);
        if (i % TRANSFERS_A_LOGIN == TRANSFERS_A_LOGIN - 1 || i + 1 == count)
            quit(&control);
    }
    printf("transferred=%d resumed=%d bytes=%ld\n", count, resumed, bytes);
    SSL_SESSION_free(control.visitor.session);
    SSL_CTX_free(ctx);
    return 0;
}
