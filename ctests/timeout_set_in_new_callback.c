/*
 * httpd's way: the new callback calls SSL_SESSION_set_timeout on the session that the internal
 * cache has just taken; its expiry follows. LIBSSL.md section 5, last paragraph.
 */
#include "common.h"

static long timeout_wanted;

static int shorten(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    TRACE(SSL_SESSION_set_timeout(session, timeout_wanted));
    return 0;
}

static void run(int version, long timeout)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    long now = time(NULL);
    printf("-- version %#x, timeout %ld\n", (unsigned)version, timeout);
    timeout_wanted = timeout;
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_sess_set_new_cb(server, shorten);
    session = visit("full", client, server, NULL);
    TRACE(SSL_CTX_sess_number(server) > 0);
    SSL_CTX_flush_sessions(server, now + timeout - 1);
    TRACE(SSL_CTX_sess_number(server) > 0);
    SSL_SESSION_free(visit("resumed", client, server, session));
    SSL_CTX_flush_sessions(server, now + timeout + 100);
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(visit("gone", client, server, session));
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    run(TLS1_2_VERSION, 300);
    run(TLS1_2_VERSION, 100000);
    run(TLS1_3_VERSION, 300);
    return 0;
}
