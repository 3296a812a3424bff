/*
 * A TLS 1.3 server that sends more tickets later (SSL_new_session_ticket): each goes into the cache
 * and to the new callback as those of the handshake do. LIBSSL.md section 1, "handshake done".
 *
 * needs: OpenSSL 3.0
 */
#include "common.h"

static void run(long options, long mode, unsigned early)
{
    SSL_CTX *server = server_context("server", TLS1_3_VERSION);
    SSL_CTX *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *session;
    Pair pair;
    int i;
    printf("-- options %#lx, mode %#lx, early data %u\n", options, (unsigned long)mode, early);
    SSL_CTX_set_options(server, options);
    SSL_CTX_set_max_early_data(server, early);
    SSL_CTX_set_num_tickets(server, 0);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(server, trace_new);
    SSL_CTX_sess_set_new_cb(client, trace_new);
    pair = pair_new(client, server, NULL);
    NEED(handshake(&pair));
    TRACE(SSL_CTX_sess_number(server));
    for (i = 0; i < 3; i++) {
        char byte = 'x';
        TRACE(SSL_new_session_ticket(pair.server));
        TRACE(SSL_write(pair.server, &byte, 1));
        TRACE(SSL_read(pair.client, &byte, 1));
        TRACE(SSL_CTX_sess_number(server));
    }
    session = SSL_get1_session(pair.client);
    close_cleanly(&pair);
    SSL_SESSION_free(visit("with the last", client, server, session));
    print_counters(server);
    TRACE(SSL_CTX_sess_number(client));
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(SSL_OP_NO_TICKET, SSL_SESS_CACHE_SERVER, 0);
    run(SSL_OP_NO_TICKET, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_STORE, 0);
    run(0, SSL_SESS_CACHE_SERVER, 1000);
    run(0, SSL_SESS_CACHE_SERVER, 0);
    run(0, SSL_SESS_CACHE_OFF, 1000);
    return 0;
}
