/*
 * settings: SSLCACHE_GROUP=shop SSLCACHE_CERTIFICATES=any SSLCACHE_TICKET_KEYS=shared
 *
 * Where certificates are not compared, contexts with different ones share for clients that ask for one server name. Those
 * that ask for none, or for another, are kept apart; so are contexts that differ in anything else.
 */
#include "common.h"

static int version, is_by_ticket;

int sessions_are_bare(void)
{
    return 1;
}

static SSL_CTX *shop(const char *name, long serial)
{
    SSL_CTX *ctx = server_context(name, version);
    X509 *own = X509_dup(SSL_CTX_get0_certificate(ctx));
    NEED(ASN1_INTEGER_set(X509_get_serialNumber(own), serial) && X509_sign(own, SSL_CTX_get0_privatekey(ctx), EVP_sha256()));
    NEED(SSL_CTX_use_certificate(ctx, own));
    X509_free(own);
    if (is_by_ticket)
        return with_tickets(ctx);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

static int resumed(SSL_CTX *client, SSL_CTX *server, const char *name, SSL_SESSION *offered, SSL_SESSION **got)
{
    Pair pair = pair_new(client, server, offered);
    int reused;
    if (name != NULL)
        NEED(SSL_set_tlsext_host_name(pair.client, name));
    NEED(handshake(&pair));
    reused = SSL_session_reused(pair.server);
    if (got != NULL)
        *got = SSL_get1_session(pair.client);
    close_cleanly(&pair);
    return reused;
}

static void all_ways(void)
{
    SSL_CTX *client = client_context("client", version);
    SSL_CTX *one = shop("one", 100), *other = shop("another certificate", 101), *strict = shop("another option", 102);
    SSL_SESSION *session;
    if (is_by_ticket)
        with_tickets(client);
    SSL_CTX_set_options(strict, SSL_OP_CIPHER_SERVER_PREFERENCE);

    TRACE(resumed(client, one, "www.example", NULL, &session));
    divergence("any_certificate", "%d", resumed(client, other, "www.example", session, NULL));
    TRACE(resumed(client, other, "shop.example", session, NULL));
    TRACE(resumed(client, other, NULL, session, NULL));
    TRACE(resumed(client, strict, "www.example", session, NULL));
    SSL_SESSION_free(session);

    TRACE(resumed(client, one, NULL, NULL, &session));
    TRACE(resumed(client, other, NULL, session, NULL));
    TRACE(resumed(client, other, "www.example", session, NULL));
    TRACE(resumed(client, one, NULL, session, NULL));
    SSL_SESSION_free(session);
    SSL_CTX_free(one);
    SSL_CTX_free(other);
    SSL_CTX_free(strict);
    SSL_CTX_free(client);
}

int main(void)
{
    for (is_by_ticket = 0; is_by_ticket < 2; is_by_ticket++)
        for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            heading(version == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3");
            all_ways();
        }
    return 0;
}
