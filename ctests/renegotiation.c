/*
 * TLS 1.2 renegotiation, full and abbreviated, started by either side: the counters of
 * renegotiations, and what of it reaches the cache. SSL_CTX_sess_number(3), "connect_renegotiate".
 */
#include "common.h"

static void pump(Pair *pair)
{
    char byte;
    int round;
    for (round = 0; round < 20; round++) {
        ERR_clear_error();
        SSL_read(pair->client, &byte, 1);
        SSL_do_handshake(pair->client);
        SSL_read(pair->server, &byte, 1);
        SSL_do_handshake(pair->server);
    }
    ERR_clear_error();
}

static void run(int the_server, int abbreviated, long mode)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL *starter;
    SSL_SESSION *session;
    Pair pair;
    printf("-- the %s starts, %s, mode %#lx\n", the_server ? "server" : "client", abbreviated ? "abbreviated" : "full",
           (unsigned long)mode);
    SSL_CTX_set_options(server, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_set_session_cache_mode(client, mode);
    trace_callbacks(server);
    trace_callbacks(client);
    pair = pair_new(client, server, NULL);
    NEED(handshake(&pair));
    starter = the_server ? pair.server : pair.client;
    TRACE(abbreviated ? SSL_renegotiate_abbreviated(starter) : SSL_renegotiate(starter));
    pump(&pair);
    printf("reused client %d server %d\n", SSL_session_reused(pair.client), SSL_session_reused(pair.server));
    print_counters(server);
    print_counters(client);
    session = SSL_get1_session(pair.client);
    close_cleanly(&pair);
    SSL_SESSION_free(visit("afterwards", client, server, session));
    print_counters(server);
    SSL_SESSION_free(session);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_sess_set_remove_cb(client, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    int the_server, abbreviated;
    for (the_server = 0; the_server <= 1; the_server++)
        for (abbreviated = 0; abbreviated <= 1; abbreviated++) {
            run(the_server, abbreviated, SSL_SESS_CACHE_BOTH);
            run(the_server, abbreviated, SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL);
        }
    return 0;
}
