/*
 * Early data with anti-replay under every cache mode: where nothing is cached nothing is accepted,
 * and where look-ups are off libssl still finds and removes the ticket it issued.
 * SSL_CTX_set_session_cache_mode(3); LIBSSL.md section 1.
 */
#include "early_data.h"

static void run(long mode, long options, int callbacks)
{
    SSL_CTX *server = early_server("server");
    SSL_CTX *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *ticket;
    printf("-- mode %#lx, %s%s\n", (unsigned long)mode, options & SSL_OP_NO_ANTI_REPLAY ? "no anti-replay" : "anti-replay",
           callbacks ? ", with callbacks" : "");
    SSL_CTX_set_options(server, options);
    SSL_CTX_set_session_cache_mode(server, mode);
    if (callbacks)
        trace_callbacks(server);
    ticket = visit("full", client, server, NULL);
    print_offer("first use", client, server, ticket);
    print_offer("second use", client, server, ticket);
    print_counters(server);
    SSL_SESSION_free(ticket);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    static const long modes[] = {
        SSL_SESS_CACHE_OFF,
        SSL_SESS_CACHE_CLIENT,
        SSL_SESS_CACHE_SERVER,
        SSL_SESS_CACHE_BOTH,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_STORE,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_UPDATE_TIME,
    };
    size_t i;
    int callbacks;
    for (i = 0; i < sizeof modes / sizeof modes[0]; i++)
        for (callbacks = 0; callbacks <= 1; callbacks++) {
            run(modes[i], 0, callbacks);
            run(modes[i], SSL_OP_NO_ANTI_REPLAY, callbacks);
        }
    return 0;
}
