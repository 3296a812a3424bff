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
#include "visits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRANSFERS_A_LOGIN = 10 };

struct control {
    SSL *ssl;
    struct visitor visitor;
};

static const char *port, *user, *password, *file;

/* The server's next line, in the clear where there is no `ssl`; it must begin with `code`. */
static void expect(SSL *ssl, int fd, const char *code, char *line, size_t room)
{
    size_t used = 0;

    do {
        if (used + 1 == room || (ssl ? SSL_read(ssl, line + used, 1) : (int)read(fd, line + used, 1)) != 1)
            die(port, "answer cut short");
    } while (line[used++] != '\n');
    line[used] = '\0';
    if (strncmp(line, code, 3) != 0 || line[3] != ' ')
        die(port, line);
}

static void command(struct control *control, const char *words, const char *argument, const char *code, char *line,
                    size_t room)
{
    char text[256];
    int length = snprintf(text, sizeof text, "%s%s\r\n", words, argument);

    if (SSL_write(control->ssl, text, length) != length)
        die(port, words);
    expect(control->ssl, -1, code, line, room);
}

static void log_in(SSL_CTX *ctx, struct control *control)
{
    static const char start[] = "AUTH TLS\r\n";
    char line[512];
    int fd = reach(port);

    expect(NULL, fd, "220", line, sizeof line);
    if (write(fd, start, sizeof start - 1) != (ssize_t)(sizeof start - 1))
        die(port, start);
    expect(NULL, fd, "234", line, sizeof line);
    control->ssl = shake_hands(ctx, fd, port, NULL, &control->visitor);
    command(control, "USER ", user, "331", line, sizeof line);
    command(control, "PASS ", password, "230", line, sizeof line);
    command(control, "PBSZ 0", "", "200", line, sizeof line);
    command(control, "PROT P", "", "200", line, sizeof line);
    command(control, "TYPE I", "", "200", line, sizeof line);
}

/* One file over a data connection that offers the control connection's session, or the ticket that came last: a TLS 1.3
 * ticket is for one use. Its bytes. */
static long transfer(SSL_CTX *ctx, struct control *control, int *resumed)
{
    char line[512], answer[4096], address[16];
    int octets[6];
    long bytes = 0;
    size_t got;
    SSL *data;

    command(control, "PASV", "", "227", line, sizeof line);
    if (sscanf(strchr(line, '(') ? strchr(line, '(') : line, "(%d,%d,%d,%d,%d,%d)", octets, octets + 1, octets + 2,
               octets + 3, octets + 4, octets + 5) != 6)
        die(port, line);
    snprintf(address, sizeof address, "%d", octets[4] * 256 + octets[5]);
    int fd = reach(address);
    command(control, "RETR ", file, "150", line, sizeof line);
    data = shake_hands(ctx, fd, address, control->visitor.session, &control->visitor);
    *resumed += SSL_session_reused(data);
    while (SSL_read_ex(data, answer, sizeof answer, &got))
        bytes += (long)got;
    part(data, address);
    expect(control->ssl, -1, "226", line, sizeof line);
    return bytes;
}

int main(int argc, char **argv)
{
    int count = argc == 8 ? atoi(argv[4]) : 0, resumed = 0;
    struct control control = {0};
    char line[512];
    long bytes = 0;
    SSL_CTX *ctx;

    if (count <= 0) {
        fprintf(stderr, "usage: ftps CERTIFICATE 1.2|1.3 PORT TRANSFERS USER PASSWORD FILE\n");
        return 2;
    }
    port = argv[3], user = argv[5], password = argv[6], file = argv[7];
    ctx = client_context(argv[1], argv[2]);
    /* vsftpd closes the control connection without goodbye. A file that is cut short would be seen by its length. */
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (strcmp(argv[2], "1.2") == 0)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    for (int i = 0; i < count; i++) {
        if (i % TRANSFERS_A_LOGIN == 0)
            log_in(ctx, &control);
        bytes += transfer(ctx, &control, &resumed);
        if (i % TRANSFERS_A_LOGIN == TRANSFERS_A_LOGIN - 1 || i + 1 == count) {
            command(&control, "QUIT", "", "221", line, sizeof line);
            part(control.ssl, port);
        }
    }
    printf("transferred=%d resumed=%d bytes=%ld\n", count, resumed, bytes);
    SSL_SESSION_free(control.visitor.session);
    SSL_CTX_free(ctx);
    return 0;
}
