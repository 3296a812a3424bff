/*
 * SSL_CTX_set_timeout: returns the previous value, and holds for sessions made later only.
 * LIBSSL.md section 5, "SSL_CTX_set_timeout".
 */
#include "common.h"

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *early, *late;
    long now = time(NULL);
    TRACE(SSL_CTX_get_timeout(server));
    early = visit("before", client, server, NULL);
    TRACE(SSL_CTX_set_timeout(server, 10));
    TRACE(SSL_CTX_get_timeout(server));
    late = visit("after", client, server, NULL);
    TRACE(SSL_CTX_sess_number(server));
    heading("only the second is short-lived");
    SSL_CTX_flush_sessions(server, now + 200);
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(visit("the first", client, server, early));
    SSL_SESSION_free(visit("the second", client, server, late));
    heading("zero and NULL");
    TRACE(SSL_CTX_set_timeout(server, 0));
    TRACE(SSL_CTX_get_timeout(server));
    TRACE(SSL_CTX_set_timeout(NULL, 7));
    TRACE(SSL_CTX_get_timeout(NULL));
    SSL_SESSION_free(early);
    SSL_SESSION_free(late);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
