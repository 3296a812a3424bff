/* Early data offered with a session, and what became of it. */
#ifndef CTESTS_EARLY_DATA_H
#define CTESTS_EARLY_DATA_H

#include "common.h"

static const char early_message[] = "early";

/* Called when the client has spoken and the server has not yet listened; NULL for nothing. */
static void (*before_the_server)(void);

static inline SSL_CTX *early_server(const char *name)
{
    SSL_CTX *server = server_context(name, TLS1_3_VERSION);
    NEED(SSL_CTX_set_max_early_data(server, 16384));
    return server;
}

/*
 * Offers `ticket` with early data. 1 if the server read the data, 0 if it refused it, -1 if the
 * handshake failed. `reused` may be NULL, `next` receives a new session unless NULL.
 */
static inline int offer_early_data(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *ticket, int *reused,
                                   SSL_SESSION **next)
{
    Pair pair = pair_new(client, server, ticket);
    char buffer[64];
    size_t length = 0;
    int accepted = -1, done;
    NEED(SSL_write_early_data(pair.client, early_message, sizeof early_message, &length) == 1);
    ERR_clear_error();
    if (before_the_server != NULL)
        before_the_server();
    switch (SSL_read_early_data(pair.server, buffer, sizeof buffer, &length)) {
    case SSL_READ_EARLY_DATA_SUCCESS:
        NEED(length == sizeof early_message && memcmp(buffer, early_message, length) == 0);
        accepted = 1;
        break;
    case SSL_READ_EARLY_DATA_FINISH:
        accepted = 0;
        break;
    default:
        break;
    }
    /* SSL_do_handshake continues: on the server after the end of early data. */
    if (accepted == 1) {
        char byte;
        SSL_connect(pair.client);
        NEED(SSL_read_early_data(pair.server, &byte, 1, &length) == SSL_READ_EARLY_DATA_FINISH);
    }
    done = accepted >= 0 && handshake(&pair);
    if (done) {
        NEED((SSL_get_early_data_status(pair.server) == SSL_EARLY_DATA_ACCEPTED) == (accepted == 1));
        NEED((SSL_get_early_data_status(pair.client) == SSL_EARLY_DATA_ACCEPTED) == (accepted == 1));
        NEED(SSL_session_reused(pair.client) == SSL_session_reused(pair.server));
        if (reused != NULL)
            *reused = SSL_session_reused(pair.server);
        if (next != NULL)
            *next = SSL_get1_session(pair.client);
    }
    close_cleanly(&pair);
    return done ? accepted : -1;
}

static inline void print_offer(const char *what, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *ticket)
{
    int reused = -1;
    int accepted = offer_early_data(client, server, ticket, &reused, NULL);
    printf("%s: early data %s, resumed %d\n", what,
           accepted == 1   ? "accepted"
           : accepted == 0 ? "refused"
                           : "failed",
           reused);
}

#endif
