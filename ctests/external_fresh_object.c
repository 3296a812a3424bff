/*
 * A get callback that decodes a fresh object each time and hands it over with *copy = 0, as
 * stunnel, httpd, nginx and haproxy do: no object is lost or freed twice. LIBSSL.md section 5.
 */
#include "common.h"

static unsigned char der[4096];
static long der_length;

static int encode(SSL *ssl, SSL_SESSION *session)
{
    unsigned char *cursor = der;
    (void)ssl;
    der_length = i2d_SSL_SESSION(session, NULL);
    NEED(der_length > 0 && der_length < (long)sizeof der);
    i2d_SSL_SESSION(session, &cursor);
    return 0;
}

static SSL_SESSION *decode(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    const unsigned char *cursor = der;
    (void)ssl, (void)id, (void)length;
    *copy = 0;
    return d2i_SSL_SESSION(NULL, &cursor, der_length);
}

static void run(int version, long mode)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    int i;
    printf("-- version %#x, mode %#lx\n", (unsigned)version, (unsigned long)mode);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_sess_set_new_cb(server, encode);
    SSL_CTX_sess_set_get_cb(server, decode);
    session = visit("full", client, server, NULL);
    for (i = 0; i < 3; i++) {
        SSL_SESSION *next;
        if (i == 1)
            SSL_CTX_flush_sessions(server, 0);
        next = visit("again", client, server, session);
        printf("alive beside the clients': %ld, number %ld\n", live_sessions() - 2, SSL_CTX_sess_number(server));
        SSL_SESSION_free(session);
        session = next;
    }
    print_counters(server);
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION, SSL_SESS_CACHE_SERVER);
    run(TLS1_2_VERSION, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    run(TLS1_2_VERSION, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP);
    run(TLS1_2_VERSION, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    run(TLS1_3_VERSION, SSL_SESS_CACHE_SERVER);
    run(TLS1_3_VERSION, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    return 0;
}
