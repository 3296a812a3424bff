/*
 * An external cache by callbacks: get called after a miss in the internal cache, *copy left at 1
 * (libssl takes its own reference) and set to 0 (the callback's reference is handed over), with and
 * without the internal store. SSL_CTX_sess_set_get_cb(3); LIBSSL.md section 1, "ClientHello".
 */
#include "store.h"

static void run(int version, long options, long mode, int copy)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    printf("-- version %#x, mode %#lx, copy %d\n", (unsigned)version, (unsigned long)mode, copy);
    SSL_CTX_set_options(server, options);
    SSL_CTX_set_session_cache_mode(server, mode);
    store_callbacks(server);
    new_answer = 1;
    answer_copy = copy;
    session = visit("full", client, server, NULL);
    TRACE(SSL_CTX_sess_number(server));
    heading("lost by the internal cache, kept by the store");
    SSL_CTX_sess_set_remove_cb(server, NULL);
    {
        /* Decoded anew, because the flush marks what it takes. */
        SSL_SESSION *fresh = decoded_copy(stored);
        SSL_CTX_flush_sessions(server, 0);
        store_drop();
        stored = fresh;
    }
    SSL_CTX_sess_set_remove_cb(server, trace_remove);
    TRACE(SSL_CTX_sess_number(server));
    new_answer = 0;
    SSL_SESSION_free(visit("from the store", client, server, session));
    print_counters(server);
    if (version == TLS1_2_VERSION)
        SSL_SESSION_free(visit("once more", client, server, session));
    print_counters(server);
    store_drop();
    SSL_SESSION_free(session);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    static const long modes[] = {
        SSL_SESS_CACHE_SERVER,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_STORE,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL,
    };
    size_t i;
    int copy;
    for (i = 0; i < sizeof modes / sizeof modes[0]; i++)
        for (copy = -1; copy <= 1; copy++) {
            run(TLS1_2_VERSION, 0, modes[i], copy);
            run(TLS1_3_VERSION, SSL_OP_NO_TICKET, modes[i], copy);
        }
    return 0;
}
