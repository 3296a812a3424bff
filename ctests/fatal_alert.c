/*
 * A fatal alert, sent or received, takes the session out of the cache: it is not resumed again.
 * A warning, close_notify, does not. LIBSSL.md section 1, "fatal alert".
 */
#include "common.h"

/* Bytes that are no record: the end that reads them sends a fatal alert. */
static void send_garbage(SSL *from)
{
    static const char garbage[] = "this is not a TLS record, whatever it looks like";
    NEED(BIO_write(SSL_get_wbio(from), garbage, sizeof garbage) > 0);
}

static void hear(const char *who, SSL *ssl)
{
    char byte;
    int result = SSL_read(ssl, &byte, 1);
    printf("%s reads: error %d\n", who, SSL_get_error(ssl, result));
    ERR_clear_error();
}

static void run(int version, int garbage_for_server)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session, *again;
    Pair pair;
    printf("-- version %#x, the %s sends the alert\n", (unsigned)version, garbage_for_server ? "server" : "client");
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_BOTH);
    pair = pair_new(client, server, NULL);
    NEED(handshake(&pair));
    session = SSL_get1_session(pair.client);
    trace_callbacks(server);
    trace_callbacks(client);
    TRACE(SSL_CTX_sess_number(server));
    TRACE(SSL_CTX_sess_number(client));
    send_garbage(garbage_for_server ? pair.client : pair.server);
    if (garbage_for_server) {
        hear("server", pair.server);
        hear("client", pair.client);
    } else {
        hear("client", pair.client);
        hear("server", pair.server);
    }
    TRACE(SSL_CTX_sess_number(server));
    TRACE(SSL_CTX_sess_number(client));
    TRACE(SSL_SESSION_is_resumable(session));
    free_both(&pair);
    again = visit("offered again", client, server, session);
    print_counters(server);
    SSL_SESSION_free(session);
    SSL_SESSION_free(again);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_sess_set_remove_cb(client, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION, 1);
    run(TLS1_2_VERSION, 0);
    run(TLS1_3_VERSION, 1);
    run(TLS1_3_VERSION, 0);
    return 0;
}
