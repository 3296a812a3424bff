/*
 * SSL_SESS_CACHE_CLIENT: a client's sessions are cached, TLS 1.2 by id, TLS 1.3 one for each
 * ticket; a TLS 1.3 session that has been resumed is removed when a new ticket replaces it.
 * LIBSSL.md section 1, "new ticket on a client".
 */
#include "common.h"

static void run(int version, int tickets, long mode)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    int i;
    printf("-- version %#x, %d tickets, mode %#lx\n", (unsigned)version, tickets, (unsigned long)mode);
    SSL_CTX_set_session_cache_mode(client, mode);
    SSL_CTX_set_num_tickets(server, (size_t)tickets);
    trace_callbacks(client);
    session = visit("full", client, server, NULL);
    TRACE(SSL_CTX_sess_number(client));
    for (i = 0; i < 2; i++) {
        SSL_SESSION *next = visit("resumed", client, server, session);
        TRACE(next == session);
        TRACE(SSL_SESSION_is_resumable(session));
        TRACE(SSL_CTX_sess_number(client));
        SSL_SESSION_free(session);
        session = next;
    }
    TRACE(SSL_CTX_remove_session(client, session));
    TRACE(SSL_CTX_sess_number(client));
    print_counters(client);
    SSL_SESSION_free(session);
    SSL_CTX_sess_set_remove_cb(client, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION, 2, SSL_SESS_CACHE_CLIENT);
    run(TLS1_3_VERSION, 1, SSL_SESS_CACHE_CLIENT);
    run(TLS1_3_VERSION, 2, SSL_SESS_CACHE_CLIENT);
    run(TLS1_3_VERSION, 2, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    run(TLS1_3_VERSION, 0, SSL_SESS_CACHE_CLIENT);
    run(TLS1_3_VERSION, 2, SSL_SESS_CACHE_SERVER);
    return 0;
}
