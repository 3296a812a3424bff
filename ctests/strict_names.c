/*
 * settings: SSLCACHE_STRICT_NAMES=1
 *
 * RFC 6066, section 3: a session is resumed only for the name that it was made for; ids and tickets, also where the
 * application makes the tickets' keys.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#if OPENSSL_VERSION_MAJOR >= 3
#include <openssl/core_names.h>
typedef EVP_MAC_CTX Code;
#else
typedef HMAC_CTX Code;
#define SSL_CTX_set_tlsext_ticket_key_evp_cb SSL_CTX_set_tlsext_ticket_key_cb
#endif

int sessions_are_bare(void)
{
    return 1;
}

static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, Code *mac, int makes)
{
    static unsigned char key[32] = { 7 };
#if OPENSSL_VERSION_MAJOR >= 3
    OSSL_PARAM params[] = { OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0), OSSL_PARAM_END };
#endif
    (void)ssl;
    if (makes) {
        memset(name, 1, 16);
        memset(iv, 2, 16);
    }
    NEED(EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key, iv, makes));
#if OPENSSL_VERSION_MAJOR >= 3
    NEED(EVP_MAC_init(mac, key, sizeof key, params));
#else
    NEED(HMAC_Init_ex(mac, key, sizeof key, EVP_sha256(), NULL));
#endif
    return 1;
}

/* Never called, as it is taken back. */
static int older_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *code, int makes)
{
    (void)ssl, (void)name, (void)iv, (void)cipher, (void)code, (void)makes;
    return -1;
}

static int any_name(SSL *ssl, int *alert, void *argument)
{
    (void)ssl, (void)alert, (void)argument;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_SESSION *go(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *session, const char *name, const char **answer)
{
    Pair pair = pair_new(client, server, session);
    SSL_SESSION *got = NULL;
    int done;
    SSL_set_tlsext_host_name(pair.client, name);
    done = handshake(&pair);
    *answer = !done ? "refused" : SSL_session_reused(pair.server) ? "resumed" : "accepted";
    if (done)
        got = SSL_get1_session(pair.client);
    close_cleanly(&pair);
    return got;
}

enum { NO_KEYS, OWN_KEYS, KEYS_TAKEN_BACK };

static void run(const char *what, int version, long options, int own_keys, int has_callback)
{
    SSL_CTX *client = client_context("client", version), *server = server_context("server", version);
    SSL_SESSION *one, *two;
    const char *answer;
    char label[64];
    SSL_CTX_set_options(with_tickets(server), options);
    with_tickets(client);
    if (has_callback)
        SSL_CTX_set_tlsext_servername_callback(server, any_name);
    if (own_keys == OWN_KEYS)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(server, ticket_key);
    if (own_keys == KEYS_TAKEN_BACK) {
        SSL_CTX_set_tlsext_ticket_key_cb(server, older_ticket_key);
        SSL_CTX_set_tlsext_ticket_key_cb(server, NULL);
    }
    heading("%s", what);
    SSL_SESSION_free(go(client, server, NULL, "one", &answer));
    one = go(client, server, NULL, "one", &answer);
    SSL_SESSION_free(go(client, server, NULL, "two", &answer));
    two = go(client, server, one, "two", &answer);
    snprintf(label, sizeof label, "strict_names_%s", version == TLS1_2_VERSION ? "tls12" : "tls13");
    divergence(label, "%s", answer);
    SSL_SESSION_free(two);
    SSL_SESSION_free(one);
    one = go(client, server, NULL, "one", &answer);
    SSL_SESSION_free(go(client, server, one, "one", &answer));
    printf("for its own name: %s\n", answer);
    SSL_SESSION_free(one);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

int main(void)
{
    int callback;
    for (callback = 0; callback < 2; callback++) {
        run("TLS 1.2, ids", TLS1_2_VERSION, SSL_OP_NO_TICKET, NO_KEYS, callback);
        run("TLS 1.2, tickets", TLS1_2_VERSION, 0, NO_KEYS, callback);
        run("TLS 1.2, tickets of the application's keys", TLS1_2_VERSION, 0, OWN_KEYS, callback);
        run("TLS 1.2, tickets, the application's callback taken back", TLS1_2_VERSION, 0, KEYS_TAKEN_BACK, callback);
        run("TLS 1.3, ids", TLS1_3_VERSION, SSL_OP_NO_TICKET, NO_KEYS, callback);
        run("TLS 1.3, tickets", TLS1_3_VERSION, 0, NO_KEYS, callback);
        run("TLS 1.3, tickets of the application's keys", TLS1_3_VERSION, 0, OWN_KEYS, callback);
    }
    return 0;
}
