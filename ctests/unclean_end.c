/*
 * How a connection ends decides whether its session stays: SSL_free or SSL_clear without shutdown
 * removes it, a close_notify sent keeps it, SSL_set_session over it removes it too.
 * LIBSSL.md section 1, "fatal alert, unclean SSL_free or SSL_clear, SSL_set_session".
 */
#include "common.h"

enum ending { FREED, CLEARED, SHUT_DOWN, QUIET, REPLACED, REPLACED_BY_NOTHING };
static const char *const endings[] = {
    "SSL_free", "SSL_clear", "SSL_shutdown", "quiet shutdown", "SSL_set_session", "SSL_set_session(NULL)",
};

static void end(SSL *ssl, enum ending how)
{
    SSL_SESSION *other = NULL;
    switch (how) {
    case FREED:
        break;
    case CLEARED:
        TRACE(SSL_clear(ssl));
        TRACE_POINTER(SSL_get_session(ssl));
        break;
    case SHUT_DOWN:
        TRACE(SSL_shutdown(ssl));
        break;
    case QUIET:
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        break;
    case REPLACED:
        other = make_session(NULL, SSL_version(ssl), "other");
        TRACE(SSL_set_session(ssl, other));
        TRACE(SSL_get_session(ssl) == other);
        SSL_SESSION_free(other);
        break;
    case REPLACED_BY_NOTHING:
        TRACE(SSL_set_session(ssl, NULL));
        TRACE_POINTER(SSL_get_session(ssl));
        break;
    }
    ERR_clear_error();
    SSL_free(ssl);
}

static void run(int version, int the_server, enum ending how)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    Pair pair;
    printf("-- version %#x, the %s ends: %s\n", (unsigned)version, the_server ? "server" : "client", endings[how]);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_BOTH);
    pair = pair_new(client, server, NULL);
    NEED(handshake(&pair));
    session = SSL_get1_session(pair.client);
    SSL_CTX_sess_set_remove_cb(server, trace_remove);
    SSL_CTX_sess_set_remove_cb(client, trace_remove);
    end(the_server ? pair.server : pair.client, how);
    /* The other side says goodbye properly. */
    SSL_shutdown(the_server ? pair.client : pair.server);
    ERR_clear_error();
    SSL_free(the_server ? pair.client : pair.server);
    TRACE(SSL_CTX_sess_number(server));
    TRACE(SSL_CTX_sess_number(client));
    TRACE(SSL_SESSION_is_resumable(session));
    SSL_SESSION_free(visit("offered again", client, server, session));
    SSL_SESSION_free(session);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_sess_set_remove_cb(client, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    int how, side;
    for (how = FREED; how <= REPLACED_BY_NOTHING; how++)
        for (side = 0; side <= 1; side++) {
            run(TLS1_2_VERSION, side, (enum ending)how);
            run(TLS1_3_VERSION, side, (enum ending)how);
        }
    return 0;
}
