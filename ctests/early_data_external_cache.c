/*
 * Early data where an application's own store answers the look-up: libssl's rule is that the
 * session must have been in the internal cache when it asks to have it removed.
 * LIBSSL.md section 1 and section 2, "Early data".
 */
#include "early_data.h"

#include "store.h"

static void run(const char *what, long mode, int copy, int forget)
{
    SSL_CTX *server = early_server("server");
    SSL_CTX *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *ticket;
    unsigned length;
    heading("%s, mode %#lx, copy %d", what, (unsigned long)mode, copy);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_session_cache_mode(server, mode);
    store_callbacks(server);
    new_answer = 1;
    answer_copy = copy;
    ticket = visit("full", client, server, NULL);
    if (forget) {
        SSL_SESSION *fresh = decoded_copy(stored);
        SSL_CTX_sess_set_remove_cb(server, NULL);
        SSL_CTX_flush_sessions(server, 0);
        SSL_CTX_sess_set_remove_cb(server, trace_remove);
        store_drop();
        stored = fresh;
    }
    new_answer = 0;
    print_offer("first use", client, server, ticket);
    if (OPENSSL_VERSION_MAJOR < 3) {
        /* 1.1.1 takes the id from a session that is marked when it is resumed. */
        TRACE((SSL_SESSION_get_id(stored, &length), length));
        store_drop();
    }
    print_offer("second use", client, server, ticket);
    print_counters(server);
    if (stored != NULL)
        printf("stored is resumable: %d\n", SSL_SESSION_is_resumable(stored));
    heading("what the cache keeps alive");
    store_drop();
    TRACE(live_sessions());
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    SSL_SESSION_free(ticket);
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
        for (copy = 0; copy <= 1; copy++) {
            run("in both", modes[i], copy, 0);
            run("only in the store", modes[i], copy, 1);
        }
    return 0;
}
