/*
 * A full cache sends the one away that expires first (the host); here, by worth: what was resumed
 * stays, what never came back goes. LIBSSL.md section 5, "full cache" (divergence).
 */
#include "common.h"

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *regular, *stranger;
    int i, reused, kept = 0;
    SSL_CTX_sess_set_cache_size(server, 21);
    /* The regular visitor is the oldest of all, and so the host's first to go. */
    regular = visit_quietly(client, server, NULL, NULL);
    for (i = 0; i < 3; i++) {
        SSL_SESSION *again = visit_quietly(client, server, regular, &reused);
        NEED(reused);
        SSL_SESSION_free(again);
    }
    for (i = 0; i < 200; i++) {
        SSL_SESSION *again;
        stranger = visit_quietly(client, server, NULL, NULL);
        SSL_SESSION_free(stranger);
        if (i % 10 != 9)
            continue;
        again = visit_quietly(client, server, regular, &reused);
        kept += reused;
        SSL_SESSION_free(again);
    }
    divergence("regular_visitor_stays", "%d of 20", kept);
    SSL_SESSION_free(regular);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
