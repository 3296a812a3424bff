/*
 * A TLS 1.3 server adds to its internal cache only if early data is allowed and anti-replay is on,
 * or a remove callback is set, or tickets are stateful; the new callback comes regardless.
 * LIBSSL.md section 1, "the internal add, TLS 1.3 server".
 */
#include "common.h"

static void silent(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx, (void)session;
}

static void run(const char *what, long options, unsigned early, int remove_callback, long mode)
{
    SSL_CTX *server = server_context("server", TLS1_3_VERSION);
    SSL_CTX *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *session;
    heading("%s", what);
    SSL_CTX_set_options(server, options);
    SSL_CTX_set_max_early_data(server, early);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_sess_set_new_cb(server, trace_new);
    if (remove_callback)
        SSL_CTX_sess_set_remove_cb(server, silent);
    session = visit("full", client, server, NULL);
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(visit("resumed", client, server, session));
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    const long on = SSL_SESS_CACHE_SERVER, no_store = on | SSL_SESS_CACHE_NO_INTERNAL_STORE;
    run("nothing set", 0, 0, 0, on);
    run("early data allowed", 0, 16384, 0, on);
    run("early data allowed, no anti-replay", SSL_OP_NO_ANTI_REPLAY, 16384, 0, on);
    run("a remove callback", 0, 0, 1, on);
    run("stateful tickets", SSL_OP_NO_TICKET, 0, 0, on);
    run("all three", SSL_OP_NO_TICKET, 16384, 1, on);
    run("stateful tickets, no anti-replay", SSL_OP_NO_TICKET | SSL_OP_NO_ANTI_REPLAY, 16384, 0, on);
    run("early data allowed, NO_INTERNAL_STORE", 0, 16384, 0, no_store);
    run("a remove callback, NO_INTERNAL_STORE", 0, 0, 1, no_store);
    run("stateful tickets, NO_INTERNAL_STORE", SSL_OP_NO_TICKET, 0, 0, no_store);
    run("all three, cache off", SSL_OP_NO_TICKET, 16384, 1, SSL_SESS_CACHE_OFF);
    return 0;
}
