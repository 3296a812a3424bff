/*
 * What the programs of this folder share: labelled output, sessions whose death is printed,
 * handshakes in memory, callbacks that print what reaches them.
 *
 * Everything goes to stdout, which is line buffered, so that a child killed half-way loses nothing
 * and repeats nothing. Nothing random is printed: session ids appear as id1, id2, ... in the order
 * in which they are first seen.
 */
#ifndef CTESTS_COMMON_H
#define CTESTS_COMMON_H

#include "older.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Prints an expression and its value, after everything that its evaluation prints. */
#define TRACE(expression) trace_value(#expression, (long)(expression))
/* Prints a pointer expression as "NULL" or "set". */
#define TRACE_POINTER(expression) trace_pointer(#expression, (const void *)(expression))
/* Ends the program with a message where the test itself, not the library, went wrong. */
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            give_up(__FILE__, __LINE__, #condition);                                               \
    } while (0)

void trace_value(const char *expression, long value);
void trace_pointer(const char *expression, const void *value);
void give_up(const char *file, int line, const char *condition);
void heading(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What the host and sslcache are known to answer differently; listed in the file divergences. */
void divergence(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs `body` in a child with an alarm of forty seconds; tells how it ended. A static buffer. */
const char *ending_in_child(void (*body)(void));

/* A session without a handshake, its id `id` padded with dots to 32 bytes; prints "freed LABEL". */
SSL_SESSION *make_session(const char *label, int version, const char *id);
/* The same with an id of `length` bytes of `fill`. */
SSL_SESSION *make_session_id(const char *label, int version, unsigned char fill, unsigned length);
/* "id3" for the third id seen by any call, "empty" for none. */
const char *id_name(const unsigned char *id, unsigned length);
const char *session_id_name(const SSL_SESSION *session);
/* A program that defines this to answer 1 has no data with its sessions, which then leave the process: neither labels
 * nor live_sessions. */
int sessions_are_bare(void);
/* SSL_SESSION objects alive in the process, but for the ones that seen_by_ex_data shows. */
long live_sessions(void);
/* A second object with the same contents, by way of DER. */
SSL_SESSION *decoded_copy(const SSL_SESSION *session);

/* Contexts for one protocol version (TLS1_2_VERSION, TLS1_3_VERSION, DTLS1_2_VERSION), named for
 * the traces. The server has a self-signed certificate and the session-id context "ctests". */
SSL_CTX *server_context(const char *name, int version);
/* Makes the certificate, as the first context does: for programs that fork before there is one. */
void make_certificate(void);
/* Takes one that another process has made, in place of making one. */
void take_certificate(X509 *made, EVP_PKEY *its_key);
SSL_CTX *client_context(const char *name, int version);
/* The context, which now has stateless tickets. */
SSL_CTX *with_tickets(SSL_CTX *ctx);
const char *context_name(const SSL_CTX *ctx);

/* Two ends over a BIO pair. */
typedef struct {
    SSL *client;
    SSL *server;
} Pair;

Pair pair_new(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *offered);
/* Both sides until done, the client reading what tickets come; 1 if both succeeded. */
int handshake(Pair *pair);
/* close_notify in both directions, then SSL_free of both. */
void close_cleanly(Pair *pair);
void free_both(Pair *pair);
/* New pair, handshake, "reused" of both sides printed after `what`, clean close. The client's
 * session as a reference to free, NULL if the handshake failed. */
SSL_SESSION *visit(const char *what, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *offered);
/* The same without a word. `reused` may be NULL. */
SSL_SESSION *visit_quietly(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *offered, int *reused);

/* sess_number and the eleven counters in one line. */
void print_counters(SSL_CTX *ctx);

/* Callbacks that print their arguments. new answers `new_answer`, get answers NULL. */
extern int new_answer;
int trace_new(SSL *ssl, SSL_SESSION *session);
SSL_SESSION *trace_get(SSL *ssl, const unsigned char *id, int length, int *copy);
void trace_remove(SSL_CTX *ctx, SSL_SESSION *session);
void trace_callbacks(SSL_CTX *ctx);

#endif
