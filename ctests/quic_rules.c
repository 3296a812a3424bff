/*
 * needs: OpenSSL 3.5
 *
 * What a QUIC server's context and connections are told, and its callbacks: options of one connection, early data, names,
 * session ids, certificates of clients, and what a callback returns.
 */
#include "quic.h"

#include <openssl/x509v3.h>

static SSL_CTX *clients;

/* One visit without a session and two with the last one, and what is cached then. */
static void three_visits(const char *what, SSL_CTX *ctx)
{
    QuicServer server = quic_listen(ctx);
    SSL_SESSION *offered = NULL;
    int visit;
    heading("%s", what);
    for (visit = 0; visit < 3; visit++) {
        TRACE(quic_visit(&server, clients, offered));
        SSL_SESSION_free(offered);
        offered = quic_taken();
    }
    SSL_SESSION_free(offered);
    print_counters(ctx);
    SSL_free(server.listener);
    SSL_CTX_free(ctx);
}

/* A connection's own options, set when it has been accepted and before its tickets are made. */
static void options_of_one(const char *what, SSL_CTX *ctx, uint64_t set, uint64_t cleared)
{
    QuicServer server = quic_listen(ctx);
    SSL_SESSION *offered = NULL;
    int visit;
    heading("%s", what);
    for (visit = 0; visit < 3; visit++) {
        SSL *client = quic_client(clients, &server, offered), *accepted = NULL;
        int turn;
        for (turn = 0; turn < QUIC_TURNS && accepted == NULL; turn++) {
            SSL_do_handshake(client);
            quic_turn(server.listener, NULL, NULL);
            accepted = SSL_accept_connection(server.listener, SSL_ACCEPT_CONNECTION_NO_BLOCK);
        }
        NEED(accepted != NULL && SSL_set_blocking_mode(accepted, 0));
        TRACE(SSL_is_init_finished(accepted));
        SSL_set_options(accepted, set);
        SSL_clear_options(accepted, cleared);
        TRACE((SSL_get_options(accepted) & SSL_OP_NO_TICKET) != 0);
        for (turn = 0; turn < 40 || (turn < QUIC_TURNS && !SSL_is_init_finished(accepted)); turn++) {
            SSL_do_handshake(client);
            SSL_do_handshake(accepted);
            quic_turn(server.listener, accepted, client);
        }
        TRACE(SSL_session_reused(accepted));
        quic_close(server.listener, accepted, client);
        SSL_SESSION_free(offered);
        offered = quic_taken();
    }
    SSL_SESSION_free(offered);
    print_counters(ctx);
    SSL_free(server.listener);
    SSL_CTX_free(ctx);
}

static int make_id(SSL *ssl, unsigned char *id, unsigned *length)
{
    static unsigned char made;
    (void)ssl;
    memset(id, ++made, *length);
    return 1;
}

static SSL_CTX *other;

static int switch_by_name(SSL *ssl, int *alert, void *argument)
{
    (void)alert, (void)argument;
    printf("  servername %s\n", SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    TRACE_POINTER(SSL_set_SSL_CTX(ssl, other));
    return SSL_TLSEXT_ERR_OK;
}

static int choose_certificate(SSL *ssl, void *argument)
{
    (void)argument;
    printf("  certificate, server %d\n", SSL_is_server(ssl));
    return 1;
}

static SSL_SESSION *kept;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

static SSL_SESSION *give_kept(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    unsigned own;
    const unsigned char *kept_id = kept == NULL ? NULL : SSL_SESSION_get_id(kept, &own);
    int is_it = kept_id != NULL && own == (unsigned)length && memcmp(id, kept_id, own) == 0;
    (void)ssl;
    printf("  get, %s\n", is_it ? "found" : "not found");
    *copy = 1;
    return is_it ? kept : NULL;
}

int main(void)
{
    SSL_CTX *ctx, *like = server_context("like", TLS1_3_VERSION);
    clients = quic_client_context();
    SSL_CTX_set_session_cache_mode(clients, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(clients, quic_keep);

    options_of_one("one connection without tickets", quic_server_context(), SSL_OP_NO_TICKET, 0);
    options_of_one("one connection with tickets", quic_stateful_context(), 0, SSL_OP_NO_TICKET);

    ctx = quic_stateful_context();
    NEED(SSL_CTX_set_max_early_data(ctx, UINT32_MAX));
    three_visits("early data, by the cache", ctx);
    ctx = quic_server_context();
    NEED(SSL_CTX_set_max_early_data(ctx, UINT32_MAX));
    three_visits("early data, by tickets", ctx);
    ctx = quic_stateful_context();
    NEED(SSL_CTX_set_max_early_data(ctx, UINT32_MAX));
    SSL_CTX_set_options(ctx, SSL_OP_NO_ANTI_REPLAY);
    three_visits("early data, by the cache, without a guard", ctx);

    ctx = quic_stateful_context();
    NEED(SSL_CTX_set_generate_session_id(ctx, make_id));
    three_visits("ids of the program", ctx);

    ctx = quic_stateful_context();
    other = quic_stateful_context();
    SSL_CTX_set_tlsext_servername_callback(ctx, switch_by_name);
    SSL_CTX_set_cert_cb(ctx, choose_certificate, NULL);
    three_visits("callbacks for names and certificates", ctx);
    SSL_CTX_free(other);

    ctx = quic_stateful_context();
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep);
    SSL_CTX_sess_set_get_cb(ctx, give_kept);
    three_visits("a cache of the program's", ctx);
    SSL_SESSION_free(kept);

    ctx = quic_stateful_context();
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    three_visits("no cache", ctx);

    NEED(SSL_CTX_use_certificate(clients, SSL_CTX_get0_certificate(like)));
    NEED(SSL_CTX_use_PrivateKey(clients, SSL_CTX_get0_privatekey(like)));
    ctx = quic_stateful_context();
    NEED(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), SSL_CTX_get0_certificate(like)));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    three_visits("certificates of clients", ctx);

    SSL_CTX_free(like);
    SSL_CTX_free(clients);
    return 0;
}
