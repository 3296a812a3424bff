/*
 * Eight threads make full and resumed handshakes on one server context: each session is resumed
 * every time, nothing is lost. LIBSSL.md section 1.
 */
#include "visits.h"

static void run(int version, int early_data)
{
    printf("-- version %#x%s\n", (unsigned)version, early_data ? ", early data allowed" : "");
    server = server_context("server", version);
    client = client_context("client", version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_max_early_data(server, early_data ? 1000 : 0);
    visit_in_threads(10);
    print_counters(server);
    printf("alive beside the cached: %ld\n", live_sessions() - SSL_CTX_sess_number(server));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION, 0);
    run(TLS1_3_VERSION, 0);
    run(TLS1_3_VERSION, 1);
    return 0;
}
