/*
 * An application's own ticket keys are not overridden by shared ones, whichever of the three ways it takes, and
 * neither are keys that it gets to give them to others. SSL_CTX_set_tlsext_ticket_key_cb(3).
 *
 * settings: SSLCACHE_TICKET_KEYS=shared
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#if OPENSSL_VERSION_MAJOR >= 3
#include <openssl/core_names.h>
#else
/* There is one kind, whose place is that of both. */
#define newer older
#define SSL_CTX_set_tlsext_ticket_key_evp_cb SSL_CTX_set_tlsext_ticket_key_cb
#endif

static unsigned char keys[80] = "the keys' name..and what they are, which is no secret here";
static unsigned char callbacks_name[17] = "the callback's..";
static unsigned char secret[32];

#if OPENSSL_VERSION_MAJOR >= 3
static int newer(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *code, int makes)
{
    OSSL_PARAM parameters[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
                                OSSL_PARAM_construct_end() };
    (void)ssl;
    printf("  newer callback, %s\n", makes ? "makes" : "opens");
    if (makes)
        memcpy(name, callbacks_name, 16), memset(iv, 1, 16);
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, secret, iv, makes)
           && EVP_MAC_init(code, secret, sizeof secret, parameters);
}
#endif

static int older(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *code, int makes)
{
    (void)ssl;
    printf("  older callback, %s\n", makes ? "makes" : "opens");
    if (makes)
        memcpy(name, callbacks_name, 16), memset(iv, 1, 16);
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, secret, iv, makes)
           && HMAC_Init_ex(code, secret, sizeof secret, EVP_sha256(), NULL);
}

static void set_newer(SSL_CTX *ctx)
{
    TRACE(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, newer));
}

static void set_older(SSL_CTX *ctx)
{
    TRACE(SSL_CTX_set_tlsext_ticket_key_cb(ctx, older));
}

static void set_keys(SSL_CTX *ctx)
{
    TRACE(SSL_CTX_set_tlsext_ticket_keys(ctx, NULL, 0));
    TRACE(SSL_CTX_set_tlsext_ticket_keys(ctx, keys, 16));
    TRACE(SSL_CTX_set_tlsext_ticket_keys(ctx, keys, sizeof keys));
}

static void set_newer_then_keys(SSL_CTX *ctx)
{
    set_newer(ctx);
    set_keys(ctx);
}

static void set_keys_then_newer(SSL_CTX *ctx)
{
    set_keys(ctx);
    set_newer(ctx);
}

static void set_keys_and_no_callback(SSL_CTX *ctx)
{
    set_keys(ctx);
    TRACE(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, NULL));
}

static void give_keys_away(SSL_CTX *ctx)
{
    SSL_CTX *other = SSL_CTX_new(TLS_server_method());
    unsigned char got[sizeof keys];
    set_keys(other);
    TRACE(SSL_CTX_get_tlsext_ticket_keys(other, got, sizeof got));
    TRACE(memcmp(got, keys, sizeof got));
    TRACE(SSL_CTX_get_tlsext_ticket_keys(ctx, got, sizeof got));
    memcpy(callbacks_name, got, 16);
    SSL_CTX_free(other);
}

static void visit_with(void (*set)(SSL_CTX *), int version)
{
    SSL_CTX *server = with_tickets(server_context("server", version));
    SSL_CTX *client = with_tickets(client_context("client", version));
    SSL_SESSION *session;
    const unsigned char *ticket;
    size_t length;
    set(server);
    session = visit("full", client, server, NULL);
    SSL_SESSION_get0_ticket(session, &ticket, &length);
    NEED(length > 16);
    printf("keys by %s\n", memcmp(ticket, keys, 16) == 0 ? "name" : memcmp(ticket, callbacks_name, 16) == 0 ? "callback" : "nobody");
    SSL_SESSION_free(visit("again", client, server, session));
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

static void try(const char *what, void (*set)(SSL_CTX *))
{
    heading("TLS 1.2, %s", what);
    visit_with(set, TLS1_2_VERSION);
    heading("TLS 1.3, %s", what);
    visit_with(set, TLS1_3_VERSION);
}

int main(void)
{
    try("newer callback", set_newer);
    try("older callback", set_older);
    try("keys", set_keys);
    try("newer callback, then keys", set_newer_then_keys);
    try("keys, then newer callback", set_keys_then_newer);
    try("keys, then no callback", set_keys_and_no_callback);
    try("keys given away", give_keys_away);
    return 0;
}
