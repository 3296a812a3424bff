/*
 * Each ticket in a chain is used with early data, and the next one came with that connection. On OpenSSL 1.1.1 these are
 * marked not resumable from the beginning, and are resumed all the same. LIBSSL.md section 6, "1.1.1".
 */
#include "early_data.h"

int main(void)
{
    SSL_CTX *server = early_server("server");
    SSL_CTX *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *ticket, *next;
    int link, accepted, reused;
    SSL_CTX_set_num_tickets(server, 1);
    trace_callbacks(server);
    ticket = visit("full", client, server, NULL);
    for (link = 0; link < 4; link++) {
        next = NULL, reused = -1;
        accepted = offer_early_data(client, server, ticket, &reused, &next);
        printf("link %d: early data %d, resumed %d\n", link, accepted, reused);
        SSL_SESSION_free(ticket);
        NEED(next != NULL);
        ticket = next;
    }
    print_counters(server);
    SSL_SESSION_free(ticket);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
    return 0;
}
