/*
 * A get callback that turns early data off for the connection it is asked for, and the times of
 * what it hands out: the handshake goes on as on the host, and nothing is left behind anywhere.
 * SSL_set_max_early_data(3); SSL_CTX_set_session_cache_mode(3), SSL_SESS_CACHE_UPDATE_TIME.
 */
#include "early_data.h"

#include "store.h"

static int refuse;

static SSL_SESSION *get(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    printf("  get(%s)\n", id_name(id, (unsigned)length));
    if (refuse)
        NEED(SSL_set_max_early_data(ssl, 0));
    *copy = 1;
    return stored;
}

static void run(const char *what, long options, long mode, int turn_off)
{
    SSL_CTX *server = early_server("server");
    SSL_CTX *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *ticket, *fresh;
    heading("%s, mode %#lx, turned off %d", what, (unsigned long)mode, turn_off);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_options(server, (unsigned long)options);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_sess_set_new_cb(server, store_new);
    SSL_CTX_sess_set_get_cb(server, get);
    new_answer = 1;
    refuse = 0;
    ticket = visit("full", client, server, NULL);
    SSL_CTX_sess_set_new_cb(server, NULL);
    SSL_CTX_flush_sessions(server, 0);
    /* As from another process, made a while ago: both sides agree on its age. */
    fresh = decoded_copy(stored);
    store_drop();
    stored = fresh;
    SSL_SESSION_set_time(stored, time(NULL) - 100);
    SSL_SESSION_set_time(ticket, time(NULL) - 100);
    refuse = turn_off;
    if (turn_off)
        SSL_SESSION_free(visit("again", client, server, ticket));
    else
        print_offer("with early data", client, server, ticket);
    printf("its time is %s\n", time(NULL) - SSL_SESSION_get_time(stored) < 50 ? "now" : "as before");
    TRACE(SSL_SESSION_is_resumable(stored));
    print_counters(server);
    /* A removal by name would also find what was left behind. */
    if (!turn_off)
        TRACE(SSL_CTX_remove_session(server, stored));
    store_drop();
    SSL_SESSION_free(ticket);
    SSL_CTX_flush_sessions(server, 0);
    TRACE(SSL_CTX_sess_number(server));
    TRACE(live_sessions());
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    const long on = SSL_SESS_CACHE_SERVER, update = on | SSL_SESS_CACHE_UPDATE_TIME;
    int turn_off;
    for (turn_off = 0; turn_off <= 1; turn_off++) {
        run("stateless tickets", 0, on, turn_off);
        run("stateless tickets", 0, update, turn_off);
        run("stateful tickets", SSL_OP_NO_TICKET, on, turn_off);
        run("stateful tickets", SSL_OP_NO_TICKET, update, turn_off);
        run("no internal store", 0, update | SSL_SESS_CACHE_NO_INTERNAL_STORE, turn_off);
    }
    return 0;
}
