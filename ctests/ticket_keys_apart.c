/*
 * With shared ticket keys, contexts of one certificate resume each other's tickets; those of different certificates or
 * options do not, and where clients are asked for certificates each context has keys of its own.
 *
 * settings: SSLCACHE_TICKET_KEYS=shared
 */
#include "common.h"

static int version;

static SSL_CTX *server_of_another_certificate(void)
{
    SSL_CTX *ctx = with_tickets(server_context("another certificate", version));
    X509 *other = X509_dup(SSL_CTX_get0_certificate(ctx));
    EVP_PKEY *key = SSL_CTX_get0_privatekey(ctx);
    NEED(ASN1_INTEGER_set(X509_get_serialNumber(other), 2) && X509_sign(other, key, EVP_sha256()));
    NEED(SSL_CTX_use_certificate(ctx, other));
    X509_free(other);
    return ctx;
}

/* A visit to a connection that asks for a certificate, or not. */
static int resumed(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *offered, int asks, SSL_SESSION **got)
{
    Pair pair = pair_new(client, server, offered);
    int reused;
    if (asks)
        SSL_set_verify(pair.server, SSL_VERIFY_PEER, NULL);
    NEED(handshake(&pair));
    reused = SSL_session_reused(pair.server);
    if (got != NULL)
        *got = SSL_get1_session(pair.client);
    close_cleanly(&pair);
    return reused;
}

static void all_ways(void)
{
    SSL_CTX *client = with_tickets(client_context("client", version));
    SSL_CTX *one = with_tickets(server_context("one", version)), *two = with_tickets(server_context("two", version));
    SSL_CTX *other = server_of_another_certificate();
    SSL_CTX *strict = with_tickets(server_context("another option", version));
    SSL_CTX *asks = with_tickets(server_context("asks", version)), *asks_too = with_tickets(server_context("asks, too", version));
    SSL_SESSION *session, *asked;
    SSL_CTX_set_options(strict, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_verify(asks, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify(asks_too, SSL_VERIFY_PEER, NULL);
    TRACE(resumed(client, one, NULL, 0, &session));
    TRACE(resumed(client, one, session, 0, NULL));
    divergence("ticket_keys_same_certificate", "%d", resumed(client, two, session, 0, NULL));
    TRACE(resumed(client, other, session, 0, NULL));
    TRACE(resumed(client, strict, session, 0, NULL));
    TRACE(resumed(client, asks, session, 0, NULL));
    divergence("ticket_keys_asked_later", "%d", resumed(client, one, session, 1, NULL));
    TRACE(resumed(client, two, session, 1, NULL));
    SSL_SESSION_free(session);

    TRACE(resumed(client, other, NULL, 0, &session));
    TRACE(resumed(client, other, session, 0, NULL));
    TRACE(resumed(client, one, session, 0, NULL));
    SSL_SESSION_free(session);

    TRACE(resumed(client, asks, NULL, 0, &asked));
    TRACE(resumed(client, asks, asked, 0, NULL));
    TRACE(resumed(client, asks_too, asked, 0, NULL));
    TRACE(resumed(client, one, asked, 0, NULL));
    SSL_SESSION_free(asked);

    TRACE(resumed(client, one, NULL, 1, &asked));
    TRACE(resumed(client, one, asked, 1, NULL));
    TRACE(resumed(client, two, asked, 1, NULL));
    TRACE(resumed(client, two, asked, 0, NULL));
    SSL_SESSION_free(asked);
    SSL_CTX_free(one);
    SSL_CTX_free(two);
    SSL_CTX_free(other);
    SSL_CTX_free(strict);
    SSL_CTX_free(asks);
    SSL_CTX_free(asks_too);
    SSL_CTX_free(client);
}

int main(void)
{
    heading("TLS 1.2");
    version = TLS1_2_VERSION;
    all_ways();
    heading("TLS 1.3");
    version = TLS1_3_VERSION;
    all_ways();
    return 0;
}
