/*
 * A generator of session ids that asks SSL_has_matching_session_id first, as the manual shows, finds
 * a free id. SSL_CTX_set_generate_session_id(3).
 */
#include "common.h"

static int asked;

static int until_free(SSL *ssl, unsigned char *id, unsigned *length)
{
    unsigned char fill = 'x';
    asked = 0;
    do {
        memset(id, fill++, *length);
        asked++;
    } while (SSL_has_matching_session_id(ssl, id, *length));
    return 1;
}

static void run(long mode)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    int i;
    printf("-- mode %#lx\n", (unsigned long)mode);
    NEED(SSL_CTX_set_generate_session_id(server, until_free));
    SSL_CTX_set_session_cache_mode(server, mode);
    for (i = 0; i < 3; i++) {
        asked = 0;
        SSL_SESSION_free(visit("full", client, server, NULL));
        printf("asked %d, number %ld\n", asked, SSL_CTX_sess_number(server));
    }
    SSL_CTX_flush_sessions(server, 0);
    SSL_SESSION_free(visit("after a flush", client, server, NULL));
    printf("asked %d, number %ld\n", asked, SSL_CTX_sess_number(server));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(SSL_SESS_CACHE_SERVER);
    run(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP);
    run(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    return 0;
}
