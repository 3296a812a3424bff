/*
 * TLS 1.2 with session tickets: resumption past the server's cache, and what the callbacks see of
 * it. LIBSSL.md section 1, "nothing if the id is empty" and "if it is a new session".
 */
#include "common.h"

static void run(long mode)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *first, *second;
    SSL_CTX_clear_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_clear_options(client, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_set_session_cache_mode(client, mode);
    trace_callbacks(server);
    trace_callbacks(client);
    printf("-- mode %#lx\n", (unsigned long)mode);
    first = visit("full", client, server, NULL);
    second = visit("resumed", client, server, first);
    print_counters(server);
    print_counters(client);
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_sess_set_remove_cb(client, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    printf("alive %ld\n", live_sessions());
}

int main(void)
{
    run(SSL_SESS_CACHE_OFF);
    run(SSL_SESS_CACHE_SERVER);
    run(SSL_SESS_CACHE_BOTH);
    run(SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL);
    return 0;
}
