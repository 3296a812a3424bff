/*
 * A generator of session ids that collides with what is cached: libssl asks its cache and refuses
 * the handshake. Where that inner call cannot be stepped into, it does not see our cache, and the
 * new session takes the place of the old one. SSL_CTX_set_generate_session_id(3) (divergence).
 */
#include "common.h"

static int always_the_same(SSL *ssl, unsigned char *id, unsigned *length)
{
    (void)ssl;
    memset(id, 'x', *length);
    return 1;
}

static void run(const char *name, long mode)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    int i, refused = 0;
    printf("-- mode %#lx\n", (unsigned long)mode);
    NEED(SSL_CTX_set_generate_session_id(server, always_the_same));
    SSL_CTX_set_session_cache_mode(server, mode);
    for (i = 0; i < 3; i++) {
        SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
        refused += session == NULL;
        SSL_SESSION_free(session);
    }
    divergence(name, "%d of 3 refused", refused);
    TRACE(SSL_CTX_sess_number(server));
    SSL_CTX_flush_sessions(server, 0);
    SSL_SESSION_free(visit("after a flush", client, server, NULL));
    TRACE(SSL_CTX_sess_number(server));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run("generated_id_conflict", SSL_SESS_CACHE_SERVER);
    run("generated_id_conflict_no_lookup", SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP);
    run("generated_id_conflict_no_internal", SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    return 0;
}
