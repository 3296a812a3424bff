#include "ftp.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

SSL_CTX *ftp_context(const char *certificate, const char *version)
{
    SSL_CTX *ctx = client_context(certificate, version);

    /* vsftpd closes the control connection without goodbye. A file that is cut short would be seen by its length. */
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (strcmp(version, "1.2") == 0)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

/* The server's next line, in the clear where there is no `ssl`. */
static void take_line(const char *port, SSL *ssl, int fd, const char *code, char *line, size_t room)
{
    size_t used = 0;

    do {
        if (used + 1 == room || (ssl ? SSL_read(ssl, line + used, 1) : (int)read(fd, line + used, 1)) != 1)
            die(port, "answer cut short");
    } while (line[used++] != '\n');
    line[used] = '\0';
    if (code != NULL && (strncmp(line, code, 3) != 0 || line[3] != ' '))
        die(port, line);
}

void greet(SSL_CTX *ctx, struct control *control)
{
    static const char start[] = "AUTH TLS\r\n";
    char line[512];
    int fd = reach(control->port);

    take_line(control->port, NULL, fd, "220", line, sizeof line);
    if (write(fd, start, sizeof start - 1) != (ssize_t)(sizeof start - 1))
        die(control->port, start);
    take_line(control->port, NULL, fd, "234", line, sizeof line);
    control->ssl = shake_hands(ctx, fd, control->port, NULL, &control->visitor);
}

void expect(struct control *control, const char *code, char *line, size_t room)
{
    take_line(control->port, control->ssl, -1, code, line, room);
}

void command(struct control *control, const char *words, const char *argument, const char *code, char *line,
             size_t room)
{
    char text[256];
    int length = snprintf(text, sizeof text, "%s%s\r\n", words, argument);

    if (SSL_write(control->ssl, text, length) != length)
        die(control->port, words);
    expect(control, code, line, room);
}

void log_in(struct control *control, const char *user, const char *password)
{
    char line[512];

    command(control, "USER ", user, "331", line, sizeof line);
    command(control, "PASS ", password, "230", line, sizeof line);
    command(control, "PBSZ 0", "", "200", line, sizeof line);
    command(control, "PROT P", "", "200", line, sizeof line);
    command(control, "TYPE I", "", "200", line, sizeof line);
}

void quit(struct control *control)
{
    char line[512];

    command(control, "QUIT", "", "221", line, sizeof line);
    part(control->ssl, control->port);
}

int open_data(struct control *control, char *address, size_t room)
{
    char line[512];
    int octets[6];

    command(control, "PASV", "", "227", line, sizeof line);
    if (sscanf(strchr(line, '(') ? strchr(line, '(') : line, "(%d,%d,%d,%d,%d,%d)", octets, octets + 1, octets + 2,
               octets + 3, octets + 4, octets + 5) != 6)
        die(control->port, line);
    snprintf(address, room, "%d", octets[4] * 256 + octets[5]);
    return reach(address);
}
