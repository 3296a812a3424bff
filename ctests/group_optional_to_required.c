/*
 * settings: SSLCACHE_GROUP=shop
 *
 * In a group with a name: a session made where a client certificate is welcome is not taken where it is required, and
 * none of a certificate that the context has no more.
 */
#include "common.h"

#include <openssl/x509.h>

int sessions_are_bare(void)
{
    return 1;
}

static SSL_CTX *asking(const char *name, int version, int mode)
{
    SSL_CTX *ctx = server_context(name, version);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_verify(ctx, mode, NULL);
    NEED(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), SSL_CTX_get0_certificate(ctx)));
    return ctx;
}

static const char *offer(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *session)
{
    Pair pair = pair_new(client, server, session);
    const char *answer = !handshake(&pair) ? "refused" : SSL_session_reused(pair.server) ? "resumed" : "accepted";
    close_cleanly(&pair);
    return answer;
}

static void run(int version)
{
    const int required = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX *client = client_context("client", version), *one = asking("one", version, SSL_VERIFY_PEER);
    SSL_CTX *alike = asking("alike", version, SSL_VERIFY_PEER), *strict = asking("strict", version, required);
    SSL_SESSION *session = visit_quietly(client, one, NULL, NULL);
    divergence(version == TLS1_2_VERSION ? "group_optional_tls12" : "group_optional_tls13", "%s",
               offer(client, alike, session));
    printf("where it is required: %s\n", offer(client, strict, session));
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    SSL_CTX_free(one);
    SSL_CTX_free(alike);
    SSL_CTX_free(strict);
}

static void set_serial(SSL_CTX *ctx, long number)
{
    EVP_PKEY *key = SSL_CTX_get0_privatekey(ctx);
    X509 *made = X509_dup(SSL_CTX_get0_certificate(ctx));
    NEED(ASN1_INTEGER_set(X509_get_serialNumber(made), number) && X509_sign(made, key, EVP_sha256()));
    NEED(SSL_CTX_use_certificate(ctx, made));
    X509_free(made);
}

/* A certificate is replaced again and again: no later one is taken for an earlier one that lay at the same address. */
static void reload(void)
{
    SSL_CTX *client = client_context("client", TLS1_2_VERSION), *ctx = server_context("reloaded", TLS1_2_VERSION);
    SSL_CTX *old = server_context("old", TLS1_2_VERSION);
    int crossed = 0, round, reused;
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_options(old, SSL_OP_NO_TICKET);
    set_serial(ctx, 100);
    NEED(SSL_CTX_use_certificate(old, SSL_CTX_get0_certificate(ctx)));
    SSL_SESSION_free(visit_quietly(client, ctx, NULL, NULL));
    for (round = 0; round < 20; round++) {
        SSL_SESSION *session;
        set_serial(ctx, 200 + round);
        session = visit_quietly(client, ctx, NULL, NULL);
        SSL_SESSION_free(visit_quietly(client, old, session, &reused));
        crossed += reused;
        SSL_SESSION_free(session);
    }
    printf("sessions of other certificates that were resumed: %d\n", crossed);
    SSL_CTX_free(client);
    SSL_CTX_free(ctx);
    SSL_CTX_free(old);
}

int main(void)
{
    heading("TLS 1.2");
    run(TLS1_2_VERSION);
    heading("TLS 1.3");
    run(TLS1_3_VERSION);
    heading("certificates that are replaced");
    reload();
    return 0;
}
