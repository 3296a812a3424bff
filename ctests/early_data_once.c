/*
 * Early data with anti-replay: a ticket is good for one resumption, its second use is a full
 * handshake. LIBSSL.md section 1, "TLS 1.3 server, early data allowed, anti-replay on", and section
 * 2, "Early data".
 */
#include "early_data.h"

static void run(const char *what, long options, long mode, int callbacks)
{
    SSL_CTX *server = early_server("server");
    SSL_CTX *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *ticket, *next = NULL;
    heading("%s", what);
    SSL_CTX_set_options(server, options);
    SSL_CTX_set_session_cache_mode(server, mode);
    if (callbacks)
        trace_callbacks(server);
    ticket = visit("full", client, server, NULL);
    TRACE(SSL_SESSION_get_max_early_data(ticket));
    print_counters(server);
    print_offer("first use", client, server, ticket);
    print_counters(server);
    print_offer("second use", client, server, ticket);
    print_counters(server);
    heading("a ticket from a resumption is good for one, too");
    offer_early_data(client, server, ticket, NULL, &next);
    print_offer("its first use", client, server, next);
    print_offer("its second use", client, server, next);
    print_counters(server);
    heading("used without early data, it is used up as well");
    SSL_SESSION_free(ticket);
    ticket = visit_quietly(client, server, NULL, NULL);
    SSL_SESSION_free(visit("plainly", client, server, ticket));
    print_offer("then early", client, server, ticket);
    SSL_SESSION_free(ticket);
    SSL_SESSION_free(next);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    const long on = SSL_SESS_CACHE_SERVER;
    run("default", 0, on, 0);
    run("with callbacks", 0, on, 1);
    run("stateful tickets", SSL_OP_NO_TICKET, on, 0);
    run("no anti-replay", SSL_OP_NO_ANTI_REPLAY, on, 0);
    run("no anti-replay, stateful", SSL_OP_NO_ANTI_REPLAY | SSL_OP_NO_TICKET, on, 1);
    return 0;
}
