/*
 * Linked with a library that uses the cache in its constructor: what it was answered there, and
 * that its context goes on working.
 */
#include "common.h"

extern SSL_CTX *early_context;
extern int early_answers[4];

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *session;
    TRACE(early_answers[0]);
    TRACE(early_answers[1]);
    TRACE(early_answers[2]);
    TRACE(early_answers[3]);
    TRACE(SSL_CTX_sess_number(early_context));
    TRACE(SSL_CTX_get_session_cache_mode(early_context));
    SSL_CTX_flush_sessions(early_context, 0);
    TRACE(SSL_CTX_sess_number(early_context));
    session = visit("full", client, server, NULL);
    SSL_SESSION_free(visit("resumed", client, server, session));
    TRACE(SSL_CTX_remove_session(early_context, session));
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(session);
    SSL_CTX_free(early_context);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
