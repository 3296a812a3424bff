/*
 * needs: OpenSSL 3.5
 *
 * SSL objects that are no connections of TLS: a domain, a listener, QUIC connections before and after their handshake, and streams. Each
 * of libssl's functions that take one does with it what it does without sslcache, and their ends are told.
 */
#include "quic.h"

#include <openssl/x509v3.h>

static int no_password(SSL *ssl, void *argument)
{
    (void)ssl, (void)argument;
    return 1;
}

static int resumable(SSL *ssl, int is_forward_secure)
{
    (void)ssl, (void)is_forward_secure;
    return 0;
}

static unsigned psk_server(SSL *ssl, const char *identity, unsigned char *psk, unsigned most)
{
    (void)ssl, (void)identity, (void)psk, (void)most;
    return 0;
}

static int psk_session(SSL *ssl, const unsigned char *identity, size_t length, SSL_SESSION **session)
{
    (void)ssl, (void)identity, (void)length;
    *session = NULL;
    return 1;
}

static long alive;

static void count_new(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argument, void *pointer)
{
    (void)parent, (void)data, (void)all, (void)index, (void)argument, (void)pointer;
    alive++;
}

static void count_free(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argument, void *pointer)
{
    (void)parent, (void)data, (void)all, (void)index, (void)argument, (void)pointer;
    alive--;
}

static const unsigned char an_id[32] = "an id";

static void try_all(const char *what, SSL *ssl, SSL_CTX *other)
{
    X509_VERIFY_PARAM *param = X509_VERIFY_PARAM_new();
    int groups[1] = { NID_X9_62_prime256v1 };
    SSL *copy;
    heading("%s", what);
    TRACE(SSL_is_server(ssl));
    TRACE(SSL_session_reused(ssl));
    TRACE_POINTER(SSL_get_SSL_CTX(ssl));
    TRACE(SSL_has_matching_session_id(ssl, an_id, sizeof an_id));
    TRACE_POINTER(SSL_set_SSL_CTX(ssl, other));
    TRACE(SSL_get_SSL_CTX(ssl) == other);
    TRACE(SSL_ctrl(ssl, SSL_CTRL_SET_GROUPS, 1, groups));
    TRACE(SSL_set1_groups_list(ssl, "P-256"));
    TRACE(SSL_set1_sigalgs_list(ssl, "ECDSA+SHA256"));
    SSL_set_cert_cb(ssl, no_password, NULL);
    SSL_set_cert_cb(ssl, NULL, NULL);
    SSL_set_not_resumable_session_callback(ssl, resumable);
    SSL_set_not_resumable_session_callback(ssl, NULL);
    SSL_set0_security_ex_data(ssl, groups);
    SSL_set0_security_ex_data(ssl, NULL);
    SSL_set_psk_server_callback(ssl, psk_server);
    SSL_set_psk_server_callback(ssl, NULL);
    SSL_set_psk_find_session_callback(ssl, psk_session);
    SSL_set_psk_find_session_callback(ssl, NULL);
    TRACE(SSL_use_psk_identity_hint(ssl, NULL));
    TRACE(SSL_set_purpose(ssl, X509_PURPOSE_ANY));
    TRACE(SSL_set_trust(ssl, X509_TRUST_SSL_CLIENT));
    TRACE(SSL_set1_param(ssl, param));
    copy = SSL_dup(ssl);
    TRACE(copy == NULL ? 0 : copy == ssl ? 1 : 2);
    SSL_free(copy);
    TRACE(SSL_set_session(ssl, NULL));
    TRACE(SSL_clear(ssl));
    X509_VERIFY_PARAM_free(param);
    ERR_clear_error();
}

int main(void)
{
    SSL_CTX *ctx = quic_server_context(), *other = quic_server_context(), *clients = quic_client_context();
    QuicServer server;
    SSL *domain, *client, *accepted, *stream, *incoming;
    size_t length = 0;
    char byte;
    int turn;
    NEED(SSL_get_ex_new_index(0, NULL, count_new, NULL, count_free) >= 0);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(clients, SSL_SESS_CACHE_CLIENT);
    domain = SSL_new_domain(ctx, 0);
    NEED(domain != NULL);
    try_all("a domain", domain, other);
    SSL_free(domain);
    server = quic_listen(ctx);
    try_all("a listener", server.listener, other);

    client = quic_client(clients, &server, NULL);
    try_all("a client's connection", client, other);
    SSL_free(client);

    client = quic_client(clients, &server, NULL);
    NEED(SSL_set_incoming_stream_policy(client, SSL_INCOMING_STREAM_POLICY_ACCEPT, 0));
    accepted = quic_handshake(server.listener, client);
    NEED(accepted != NULL && SSL_is_init_finished(accepted));
    NEED(SSL_set_incoming_stream_policy(accepted, SSL_INCOMING_STREAM_POLICY_ACCEPT, 0));
    TRACE(SSL_CTX_sess_number(ctx));
    stream = SSL_new_stream(client, 0);
    NEED(stream != NULL && SSL_write_ex(stream, "x", 1, &length));
    incoming = NULL;
    for (turn = 0; turn < QUIC_TURNS && incoming == NULL; turn++) {
        quic_turn(server.listener, accepted, client);
        incoming = SSL_accept_stream(accepted, SSL_ACCEPT_STREAM_NO_BLOCK);
    }
    NEED(incoming != NULL && SSL_read_ex(incoming, &byte, 1, &length));
    try_all("a stream of the client", stream, other);
    try_all("a stream of the server", incoming, other);
    SSL_free(stream);
    SSL_free(incoming);
    TRACE(SSL_CTX_sess_number(ctx));
    try_all("the server's connection", accepted, other);
    try_all("the client's connection", client, other);
    heading("the end");
    TRACE(SSL_CTX_sess_number(ctx));
    quic_close(server.listener, accepted, client);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_free(server.listener);
    TRACE(alive);
    SSL_CTX_free(ctx);
    SSL_CTX_free(other);
    SSL_CTX_free(clients);
    return 0;
}
