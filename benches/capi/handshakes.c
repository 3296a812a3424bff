/* Handshakes in memory: a certificate made here, two ends over a pair of BIOs. */
#include "bench.h"
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <time.h>

static void give_certificate(SSL_CTX *ctx, EVP_PKEY *key)
{
    static const unsigned char name[] = "session-bench";
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_NAME_new();
    NEED(key != NULL && certificate != NULL && subject != NULL);
    NEED(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0));
    NEED(X509_set_subject_name(certificate, subject) && X509_set_issuer_name(certificate, subject));
    NEED(X509_gmtime_adj(X509_getm_notBefore(certificate), -3600));
    NEED(X509_gmtime_adj(X509_getm_notAfter(certificate), 86400));
    NEED(X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()));
    NEED(SSL_CTX_use_certificate(ctx, certificate) && SSL_CTX_use_PrivateKey(ctx, key));
    X509_NAME_free(subject);
    X509_free(certificate);
}

static SSL_CTX *context(const SSL_METHOD *method, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    NEED(ctx != NULL);
    NEED(SSL_CTX_set_min_proto_version(ctx, version) && SSL_CTX_set_max_proto_version(ctx, version));
    /* The same key exchange on every libssl: newer ones would choose a costlier one. P-256 is the certificate's. */
    NEED(SSL_CTX_set1_groups_list(ctx, "X25519:P-256"));
    /* SSL_shutdown then counts as done without a word: without it libssl removes the session. */
    SSL_CTX_set_quiet_shutdown(ctx, 1);
    return ctx;
}

SSL_CTX *server_context(int version, long size, EVP_PKEY *key)
{
    SSL_CTX *ctx = context(TLS_server_method(), version);
    give_certificate(ctx, key);
    EVP_PKEY_free(key);
    /* No tickets: TLS 1.2 resumes by id, TLS 1.3 by a ticket that only names a cached session. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_sess_set_cache_size(ctx, size);
    SSL_CTX_set_timeout(ctx, LONGEST_TIMEOUT);
    return ctx;
}

/* The client's newest session takes the place of the one before. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **slot = SSL_get_app_data(ssl);
    SSL_SESSION_free(*slot);
    *slot = session;
    return 1;
}

SSL_CTX *client_context(int version)
{
    SSL_CTX *ctx = context(TLS_client_method(), version);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    return ctx;
}

int handshake(SSL_CTX *client_ctx, SSL_CTX *server_ctx, SSL_SESSION **session, SSL **server_end)
{
    SSL *client = SSL_new(client_ctx), *server = SSL_new(server_ctx);
    BIO *left, *right;
    int resumed, done = 0;
    char byte;
    NEED(client != NULL && server != NULL && BIO_new_bio_pair(&left, 0, &right, 0));
    SSL_set_bio(client, left, left);
    SSL_set_bio(server, right, right);
    SSL_set_app_data(client, session);
    if (*session != NULL)
        NEED(SSL_set_session(client, *session));
    for (int turn = 0; turn < 10 && done != 3; turn++)
        done = (SSL_connect(client) == 1) | (SSL_accept(server) == 1) << 1;
    NEED(done == 3);
    SSL_read(client, &byte, 1); /* nothing to read, but it takes the tickets in */
    resumed = SSL_session_reused(server);
    SSL_shutdown(client);
    SSL_free(client);
    if (server_end != NULL) {
        *server_end = server;
        return resumed;
    }
    SSL_shutdown(server);
    SSL_free(server);
    return resumed;
}

enum { CLIENTS = 50 };

struct load {
    SSL_CTX *server;
    SSL_CTX *clients[64];
    SSL_SESSION *sessions[64][CLIENTS];
    long done[64], refused[64];
    int64_t until;
};

static void resume(void *shared, int number)
{
    struct load *load = shared;
    long done = 0, resumed = 0;
    while (now_ns() < load->until) {
        resumed += handshake(load->clients[number], load->server, &load->sessions[number][done % CLIENTS], NULL);
        done++;
    }
    load->done[number] = done;
    load->refused[number] = done - resumed;
}

/* tls=12 or 13, threads=T, ms: resumed handshakes, both ends in the same thread, on one server context whose cache of
 * libssl's default size is full. */
void measure_handshakes(void)
{
    int threads = option("threads", 1), version = option("tls", 12) == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    long cached = option("cached", SSL_SESSION_CACHE_MAX_SIZE_DEFAULT), done = 0, refused = 0;
    static struct load load;
    struct lap took;
    NEED(threads <= 64);
    load.server = server_context(version, cached, EVP_EC_gen("P-256"));
    fill(load.server, sessions_new(cached), cached, 0);
    for (int i = 0; i < threads; i++) {
        load.clients[i] = client_context(version);
        for (int client = 0; client < CLIENTS; client++)
            handshake(load.clients[i], load.server, &load.sessions[i][client], NULL);
        /* Once more: a session that has been resumed has shown its worth. */
        for (int client = 0; client < CLIENTS; client++)
            handshake(load.clients[i], load.server, &load.sessions[i][client], NULL);
    }
    load.until = now_ns() + option("ms", 1000) * 1000000;
    took = in_threads(threads, resume, &load);
    for (int i = 0; i < threads; i++) {
        done += load.done[i];
        refused += load.refused[i];
    }
    report_number("per_second", done * 1e9 / took.wall);
    report_number("cpu_ns", (double)took.cpu / done);
    report_number("refused", refused);
    report_number("sessions", SSL_CTX_sess_number(load.server));
}
