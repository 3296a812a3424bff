/* What our clients do alike: reach a server, greet it, shake hands, talk, say goodbye. */
#ifndef VISITS_H
#define VISITS_H

#include <openssl/ssl.h>

/* OpenSSL 1.1.1 has not got it, and needs none. */
#ifndef SSL_OP_IGNORE_UNEXPECTED_EOF
#define SSL_OP_IGNORE_UNEXPECTED_EOF 0
#endif

/* What a client that has come once brings along: its newest session, the way browsers keep it. */
struct visitor {
    SSL_SESSION *session;
};

/* A client that stops here tells why, and the server's address. */
void die(const char *address, const char *what) __attribute__((noreturn));

/* Insists on `certificate`, so that no stranger on a port of the same number is taken for the server. */
SSL_CTX *client_context(const char *certificate, const char *version);

/* The server name that clients send; NULL: none. */
extern const char *server_name;

/* A connected socket. `address` is a port on 127.0.0.1 or the path of a Unix socket; the server may still start. */
int reach(const char *address);

/* A connection over `fd` whose handshake is next. It offers `offered` if there is one; the sessions that come are the
 * visitor's. */
SSL *begin(SSL_CTX *ctx, int fd, const char *address, SSL_SESSION *offered, struct visitor *visitor);

/* The same, and shakes hands. */
SSL *shake_hands(SSL_CTX *ctx, int fd, const char *address, SSL_SESSION *offered, struct visitor *visitor);

/* Reads until the server says goodbye, says ours and closes. Without ours the server would forget the session. */
void part(SSL *ssl, const char *address);

/* One visit, in the words of `talk`: http, abrupt (http, but the server says no goodbye), redis, smtp, imap, ftp,
 * abrupt-ftp, mqtt or postgres. Was it resumed? */
int visit(SSL_CTX *ctx, const char *address, const char *talk, struct visitor *visitor);

/* One visit to a server that may refuse it, in the handshake or after. Did the server answer the request, over HTTP with 200? */
int is_let_in(SSL_CTX *ctx, const char *address, const char *talk, struct visitor *visitor, int *reused);

/* Does the server hold this session, under an id or under a TLS 1.3 stateful ticket, which is an id too? */
int held_by_server(const SSL_SESSION *session);

#endif
