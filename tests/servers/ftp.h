/* The words of FTP over TLS that our clients share. */
#ifndef FTP_H
#define FTP_H

#include "visits.h"

/* A control connection. */
struct control {
    const char *port;
    SSL *ssl;
    struct visitor visitor;
};

/* As `client_context`, for FTP: without tickets over TLS 1.2, and a server may close without goodbye. */
SSL_CTX *ftp_context(const char *certificate, const char *version);

/* Connects, and starts TLS. */
void greet(SSL_CTX *ctx, struct control *control);

/* Logs in over a control connection that has TLS. */
void log_in(struct control *control, const char *user, const char *password);

/* Says `words` and `argument`, and takes the next line, which must begin with `code`; NULL is any code. */
void command(struct control *control, const char *words, const char *argument, const char *code, char *line,
             size_t room);

/* The next line, which must begin with `code`; NULL is any code. */
void expect(struct control *control, const char *code, char *line, size_t room);

/* Says goodbye on a control connection. */
void quit(struct control *control);

/* Asks for a data port, and connects to it. */
int open_data(struct control *control, char *address, size_t room);

#endif
