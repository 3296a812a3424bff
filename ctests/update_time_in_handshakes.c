/*
 * SSL_SESS_CACHE_UPDATE_TIME in handshakes: which events make a session's time now. A look-up alone
 * does not; an add does, also that of a ticket with early data.
 * SSL_CTX_set_session_cache_mode(3), SSL_SESS_CACHE_UPDATE_TIME.
 */
#include "early_data.h"

#include "store.h"

static const char *age(const SSL_SESSION *session)
{
    return time(NULL) - SSL_SESSION_get_time(session) < 50 ? "now" : "as before";
}

static void run(int version, unsigned early, long mode)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    int reused = -1;
    printf("-- version %#x, early data %u, mode %#lx\n", (unsigned)version, early, (unsigned long)mode);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_max_early_data(server, early);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_sess_set_new_cb(server, store_new);
    new_answer = 1;
    session = visit("full", client, server, NULL);
    SSL_CTX_sess_set_new_cb(server, NULL);
    printf("its time is %s\n", age(stored));
    SSL_SESSION_set_time(stored, time(NULL) - 100);
    if (early > 0)
        printf("early data %d, resumed %d\n", offer_early_data(client, server, session, &reused, NULL), reused);
    else
        SSL_SESSION_free(visit("resumed", client, server, session));
    printf("its time is %s\n", age(stored));
    TRACE(SSL_CTX_sess_number(server));
    SSL_CTX_flush_sessions(server, time(NULL) + SSL_CTX_get_timeout(server) - 50);
    TRACE(SSL_CTX_sess_number(server));
    store_drop();
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    const long on = SSL_SESS_CACHE_SERVER, update = on | SSL_SESS_CACHE_UPDATE_TIME;
    run(TLS1_2_VERSION, 0, on);
    run(TLS1_2_VERSION, 0, update);
    run(TLS1_3_VERSION, 0, on);
    run(TLS1_3_VERSION, 0, update);
    run(TLS1_3_VERSION, 16384, on);
    run(TLS1_3_VERSION, 16384, update);
    return 0;
}
