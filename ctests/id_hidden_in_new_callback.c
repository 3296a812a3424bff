/*
 * HAProxy's way: the new callback sets the live session's id length to 0, encodes it, and restores
 * it. The session is cached all the same, and resumed. LIBSSL.md section 5, last paragraph.
 */
#include "common.h"

static int encoded_length;

static int hide_id(SSL *ssl, SSL_SESSION *session)
{
    unsigned char id[SSL_MAX_SSL_SESSION_ID_LENGTH];
    unsigned length;
    const unsigned char *live = SSL_SESSION_get_id(session, &length);
    (void)ssl;
    memcpy(id, live, length);
    TRACE(SSL_SESSION_set1_id(session, id, 0));
    encoded_length = i2d_SSL_SESSION(session, NULL);
    TRACE(SSL_SESSION_set1_id(session, id, length));
    return 0;
}

static void run(int version, long mode)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    printf("-- version %#x, mode %#lx\n", (unsigned)version, (unsigned long)mode);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_sess_set_new_cb(server, hide_id);
    SSL_CTX_sess_set_get_cb(server, trace_get);
    session = visit("full", client, server, NULL);
    TRACE(encoded_length > 0);
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(visit("resumed", client, server, session));
    print_counters(server);
    SSL_SESSION_free(session);
    SSL_CTX_flush_sessions(server, 0);
    TRACE(SSL_CTX_sess_number(server));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION, SSL_SESS_CACHE_SERVER);
    run(TLS1_3_VERSION, SSL_SESS_CACHE_SERVER);
    run(TLS1_2_VERSION, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR);
    return 0;
}
