/*
 * A server that asks for client certificates and has no session-id context caches nothing, and
 * calls no new callback; with a session-id context it does both.
 * LIBSSL.md section 1, "a server asking for client certificates with an empty session-id context".
 */
#include "common.h"

static void run(int version, int verify, unsigned context_length)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    printf("-- version %#x, %s, session-id context of %u bytes\n", (unsigned)version,
           verify ? "asking for a certificate" : "asking for none", context_length);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_verify(server, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    NEED(SSL_CTX_set_session_id_context(server, (const unsigned char *)"context", context_length));
    SSL_CTX_sess_set_new_cb(server, trace_new);
    SSL_CTX_sess_set_remove_cb(server, trace_remove);
    session = visit("full", client, server, NULL);
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(visit("offered", client, server, session));
    print_counters(server);
    SSL_SESSION_free(session);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    int verify;
    unsigned length;
    for (verify = 0; verify <= 1; verify++)
        for (length = 0; length <= 7; length += 7) {
            run(TLS1_2_VERSION, verify, length);
            run(TLS1_3_VERSION, verify, length);
        }
    return 0;
}
