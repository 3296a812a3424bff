/*
 * A ticket that the server has taken out of its cache, by hand or by a flush, is refused where
 * anti-replay is on. LIBSSL.md section 1, "refuses the PSK if that returns 0".
 */
#include "early_data.h"
#include "keep_last.h"

static void run(const char *what, int how)
{
    SSL_CTX *server = early_server("server");
    SSL_CTX *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *ticket;
    heading("%s", what);
    SSL_CTX_sess_set_new_cb(server, keep_last);
    SSL_CTX_set_num_tickets(server, 1);
    ticket = visit("full", client, server, NULL);
    switch (how) {
    case 0:
        TRACE(SSL_CTX_remove_session(server, last));
        break;
    case 1:
        SSL_CTX_flush_sessions(server, 0);
        break;
    case 2:
        SSL_CTX_flush_sessions(server, time(NULL) + 100000);
        break;
    case 3:
        TRACE(SSL_CTX_remove_session(server, last));
        SSL_SESSION_free(last);
        last = decoded_copy(ticket);
        TRACE(SSL_CTX_add_session(server, last));
        break;
    }
    TRACE(SSL_CTX_sess_number(server));
    print_offer("offered", client, server, ticket);
    print_counters(server);
    SSL_SESSION_free(ticket);
    SSL_SESSION_free(last);
    last = NULL;
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    run("removed", 0);
    run("everything flushed", 1);
    run("expired and flushed", 2);
    run("removed, another added", 3);
    run("untouched", 4);
    return 0;
}
