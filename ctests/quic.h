/*
 * A QUIC server and its clients in one process, over UDP at 127.0.0.1: a listener, and connections that never block.
 * Programs with this say "needs: OpenSSL 3.5" in their first comment.
 */
#ifndef CTESTS_QUIC_H
#define CTESTS_QUIC_H

#include "common.h"

#include <arpa/inet.h>
#include <openssl/quic.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* How often both sides are asked to go on, a millisecond apart where nothing happens. */
enum { QUIC_TURNS = 5000 };

static int quic_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *length, const unsigned char *offered,
                     unsigned offered_length, void *argument)
{
    (void)ssl, (void)argument, (void)offered_length;
    *chosen = offered + 1;
    *length = offered[0];
    return SSL_TLSEXT_ERR_OK;
}

static inline SSL_CTX *quic_server_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(OSSL_QUIC_server_method()), *like = server_context("like", TLS1_3_VERSION);
    NEED(ctx != NULL);
    NEED(SSL_CTX_use_certificate(ctx, SSL_CTX_get0_certificate(like)));
    NEED(SSL_CTX_use_PrivateKey(ctx, SSL_CTX_get0_privatekey(like)));
    NEED(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"quic", 4));
    SSL_CTX_set_alpn_select_cb(ctx, quic_alpn, NULL);
    SSL_CTX_free(like);
    return ctx;
}

/* The same, whose tickets name sessions that the server keeps. */
static inline SSL_CTX *quic_stateful_context(void)
{
    SSL_CTX *ctx = quic_server_context();
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

static inline SSL_CTX *quic_client_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(OSSL_QUIC_client_method());
    NEED(ctx != NULL && SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\4test", 5) == 0);
    return ctx;
}

/* A socket at a port that the system chooses. */
static inline int quic_socket(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    NEED(fd >= 0 && bind(fd, (struct sockaddr *)address, length) == 0);
    NEED(getsockname(fd, (struct sockaddr *)address, &length) == 0);
    return fd;
}

/* The listener of a server, which owns its socket. */
typedef struct {
    SSL *listener;
    struct sockaddr_in address;
} QuicServer;

static inline QuicServer quic_listen(SSL_CTX *ctx)
{
    QuicServer server;
    int fd = quic_socket(&server.address);
    BIO *bio = BIO_new_dgram(fd, BIO_CLOSE);
    server.listener = SSL_new_listener(ctx, 0);
    NEED(server.listener != NULL && bio != NULL);
    SSL_set_bio(server.listener, bio, bio);
    NEED(SSL_set_blocking_mode(server.listener, 0));
    NEED(SSL_listen(server.listener));
    return server;
}

/* A client of this server, before its handshake. */
static inline SSL *quic_client(SSL_CTX *ctx, const QuicServer *server, SSL_SESSION *offered)
{
    struct sockaddr_in own;
    int fd = quic_socket(&own);
    BIO *bio = BIO_new_dgram(fd, BIO_CLOSE);
    BIO_ADDR *peer = BIO_ADDR_new();
    SSL *ssl = SSL_new(ctx);
    NEED(ssl != NULL && bio != NULL && peer != NULL);
    NEED(BIO_ADDR_rawmake(peer, AF_INET, &server->address.sin_addr, sizeof server->address.sin_addr,
                          server->address.sin_port));
    SSL_set_bio(ssl, bio, bio);
    NEED(SSL_set_blocking_mode(ssl, 0));
    NEED(SSL_set1_initial_peer_addr(ssl, peer));
    NEED(SSL_set_tlsext_host_name(ssl, "quic.example"));
    if (offered != NULL)
        NEED(SSL_set_session(ssl, offered));
    BIO_ADDR_free(peer);
    return ssl;
}

/* Lets everybody do what there is to do. */
static inline void quic_turn(SSL *listener, SSL *server, SSL *client)
{
    if (client != NULL)
        SSL_handle_events(client);
    SSL_handle_events(listener);
    if (server != NULL)
        SSL_handle_events(server);
    poll(NULL, 0, 1);
}

/* The handshake of a client, and the tickets that follow. The server's connection, or NULL. */
static inline SSL *quic_handshake(SSL *listener, SSL *client)
{
    SSL *server = NULL;
    int turn, met = 0, after = 0;
    for (turn = 0; turn < QUIC_TURNS && after < 20; turn++) {
        int done = SSL_do_handshake(client) == 1;
        if (server == NULL) {
            server = SSL_accept_connection(listener, SSL_ACCEPT_CONNECTION_NO_BLOCK);
            if (server != NULL)
                NEED(SSL_set_blocking_mode(server, 0));
        }
        met = met || (server != NULL && SSL_do_handshake(server) == 1);
        after += done && met;
        quic_turn(listener, server, client);
    }
    ERR_clear_error();
    return server;
}

/* Ends both connections as QUIC does. */
static inline void quic_close(SSL *listener, SSL *server, SSL *client)
{
    int turn, gone = 0;
    for (turn = 0; turn < QUIC_TURNS && !gone; turn++) {
        gone = SSL_shutdown_ex(client, SSL_SHUTDOWN_FLAG_RAPID, NULL, 0) == 1;
        if (server != NULL)
            gone &= SSL_shutdown_ex(server, SSL_SHUTDOWN_FLAG_RAPID, NULL, 0) == 1;
        quic_turn(listener, server, client);
    }
    SSL_free(client);
    SSL_free(server);
    ERR_clear_error();
}

/* The last session that a client was given; a reference to free. */
static SSL_SESSION *quic_given;

static int quic_keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(quic_given);
    quic_given = session;
    return 1;
}

/* That session, which is the caller's from now on; NULL if there is none. */
static inline SSL_SESSION *quic_taken(void)
{
    SSL_SESSION *session = quic_given;
    quic_given = NULL;
    return session;
}

/* A visit: 1 if it was resumed, 0 if it was not, -1 if it failed. quic_taken has what the client was given. */
static inline int quic_visit(const QuicServer *server, SSL_CTX *clients, SSL_SESSION *offered)
{
    SSL *client = quic_client(clients, server, offered);
    SSL *accepted = quic_handshake(server->listener, client);
    int reused = accepted != NULL && SSL_is_init_finished(accepted) ? SSL_session_reused(accepted) : -1;
    if (accepted != NULL && SSL_session_reused(client) != SSL_session_reused(accepted))
        reused = -1;
    quic_close(server->listener, accepted, client);
    return reused;
}

#endif
