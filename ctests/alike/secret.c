/* Attributes: clients known by a secret. Where the secret is not known, its session is no good either. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "alike.h"

static const unsigned char secret[32] = "the secret of a guest, 32 bytes";

/* TLS 1.2 */

static unsigned knows_guest(SSL *ssl, const char *identity, unsigned char *key, unsigned room)
{
    (void)ssl;
    NEED(room >= sizeof secret);
    if (strcmp(identity, "guest") != 0)
        return 0;
    memcpy(key, secret, sizeof secret);
    return sizeof secret;
}

static unsigned knows_guest_otherwise(SSL *ssl, const char *identity, unsigned char *key, unsigned room)
{
    return knows_guest(ssl, identity, key, room);
}

static unsigned knows_nobody(SSL *ssl, const char *identity, unsigned char *key, unsigned room)
{
    (void)ssl, (void)identity, (void)key, (void)room;
    return 0;
}

static unsigned am_guest(SSL *ssl, const char *hint, char *identity, unsigned room, unsigned char *key,
                         unsigned key_room)
{
    (void)hint;
    NEED(room > 5);
    memcpy(identity, "guest", 6);
    return knows_guest(ssl, identity, key, key_room);
}

static void with_secrets(SSL_CTX *ctx)
{
    NEED(SSL_CTX_set_cipher_list(ctx, "PSK-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"));
}

static void guest(SSL *client, int made, int asked)
{
    (void)made, (void)asked;
    NEED(SSL_set_cipher_list(client, "PSK-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"));
    SSL_set_psk_client_callback(client, am_guest);
}

static void has_secrets(SSL_CTX *ctx, int variant)
{
    with_secrets(ctx);
    SSL_CTX_set_psk_server_callback(ctx, variant ? NULL : knows_guest);
}

static void knows_others(SSL_CTX *ctx, int variant)
{
    with_secrets(ctx);
    SSL_CTX_set_psk_server_callback(ctx, variant ? knows_nobody : knows_guest);
}

static void other_function(SSL_CTX *ctx, int variant)
{
    with_secrets(ctx);
    SSL_CTX_set_psk_server_callback(ctx, variant ? knows_guest_otherwise : knows_guest);
}

static void of_connection(SSL *server, int variant)
{
    NEED(SSL_set_cipher_list(server, "PSK-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"));
    SSL_set_psk_server_callback(server, variant ? NULL : knows_guest);
}

static void hint(SSL_CTX *ctx, int variant)
{
    with_secrets(ctx);
    SSL_CTX_set_psk_server_callback(ctx, knows_guest);
    NEED(SSL_CTX_use_psk_identity_hint(ctx, variant ? "there" : "here"));
}

/* TLS 1.3 */

static SSL_SESSION *secret_session(SSL *ssl)
{
    static const unsigned char aes_128_gcm_sha256[2] = { 0x13, 0x01 };
    SSL_SESSION *session = SSL_SESSION_new();
    NEED(session != NULL && SSL_SESSION_set1_master_key(session, secret, sizeof secret));
    NEED(SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, aes_128_gcm_sha256)));
    NEED(SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION));
    return session;
}

static int finds_guest(SSL *ssl, const unsigned char *identity, size_t length, SSL_SESSION **session)
{
    *session = length == 5 && memcmp(identity, "guest", 5) == 0 ? secret_session(ssl) : NULL;
    return 1;
}

static int finds_nobody(SSL *ssl, const unsigned char *identity, size_t length, SSL_SESSION **session)
{
    (void)ssl, (void)identity, (void)length;
    *session = NULL;
    return 1;
}

/* Only while there is no session of a handshake. */
static int use_secret(SSL *ssl, const EVP_MD *digest, const unsigned char **identity, size_t *length,
                      SSL_SESSION **session)
{
    (void)digest;
    *session = secret_session(ssl);
    *identity = (const unsigned char *)"guest";
    *length = 5;
    return 1;
}

static void guest_of_13(SSL *client, int made, int asked)
{
    (void)made, (void)asked;
    if (SSL_get_session(client) == NULL)
        SSL_set_psk_use_session_callback(client, use_secret);
}

static void finds(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_psk_find_session_callback(ctx, variant ? NULL : finds_guest);
}

static void finds_others(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_psk_find_session_callback(ctx, variant ? finds_nobody : finds_guest);
}

static void connection_finds(SSL *server, int variant)
{
    SSL_set_psk_find_session_callback(server, variant ? NULL : finds_guest);
}

/* SRP, of TLS 1.2 */

#ifndef OPENSSL_NO_SRP
static int knows_srp_guest(SSL *ssl, int *alert, void *argument)
{
    (void)argument;
    if (strcmp(SSL_get_srp_username(ssl), "guest") == 0 &&
        SSL_set_srp_server_param_pw(ssl, "guest", "password", "2048") > 0)
        return SSL_ERROR_NONE;
    *alert = SSL_AD_UNKNOWN_PSK_IDENTITY;
    return SSL3_AL_FATAL;
}

static int knows_no_srp_guest(SSL *ssl, int *alert, void *argument)
{
    (void)ssl, (void)argument;
    *alert = SSL_AD_UNKNOWN_PSK_IDENTITY;
    return SSL3_AL_FATAL;
}

static const char with_srp[] = "SRP-AES-128-CBC-SHA:ECDHE-ECDSA-AES128-GCM-SHA256";

static void srp(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_set_cipher_list(ctx, with_srp));
    NEED(SSL_CTX_set_srp_username_callback(ctx, variant ? knows_no_srp_guest : knows_srp_guest));
}

static void has_srp(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_set_cipher_list(ctx, with_srp));
    if (variant)
        NEED(SSL_CTX_SRP_CTX_init(ctx));
    else
        NEED(SSL_CTX_set_srp_username_callback(ctx, knows_srp_guest));
}

static char *srp_password(SSL *ssl, void *argument)
{
    (void)ssl, (void)argument;
    return OPENSSL_strdup("password");
}

/* A context's alone: set each time, for the one client that there is. */
static void srp_guest(SSL *client, int made, int asked)
{
    (void)made, (void)asked;
    NEED(SSL_set_cipher_list(client, with_srp));
}

void become_srp_guest(SSL_CTX *client)
{
    NEED(SSL_CTX_set_srp_username(client, (char *)"guest"));
    NEED(SSL_CTX_set_srp_client_pwd_callback(client, srp_password));
}
#else
void become_srp_guest(SSL_CTX *client)
{
    (void)client;
}
#endif

#define UNSEEN .apart = { NOWHERE, NOWHERE }, .why = "which secrets a callback knows is not seen"

const Attribute secret_attributes[] = {
    { "PSK and SRP/callback", ONLY_TLS12, .context = has_secrets, .client = guest, .apart = { NOWHERE, 0 },
      .why = "which secrets a callback knows is not seen" },
    { "PSK and SRP/callback, guest unknown", ONLY_TLS12 | SECOND_MAKES_NONE, .context = knows_others, .client = guest, UNSEEN },
    { "PSK and SRP/callback, another", ONLY_TLS12, .context = other_function, .client = guest, UNSEEN },
    { "PSK and SRP/callback, of a connection", ONLY_TLS12 | OF_CONNECTIONS, .connection = of_connection, .client = guest,
      .apart = { NOWHERE, 0 }, .why = "which secrets a callback knows is not seen" },
    { "PSK and SRP/hint", ONLY_TLS12, .context = hint, .client = guest, UNSEEN },
    { "PSK and SRP/sessions", ONLY_TLS13, .context = finds, .client = guest_of_13, .apart = { NOWHERE, 0 },
      .why = "which secrets a callback knows is not seen" },
    { "PSK and SRP/sessions, guest unknown", ONLY_TLS13, .context = finds_others, .client = guest_of_13, UNSEEN },
    { "PSK and SRP/sessions, of a connection", ONLY_TLS13 | OF_CONNECTIONS, .connection = connection_finds,
      .client = guest_of_13, .apart = { NOWHERE, 0 }, .why = "which secrets a callback knows is not seen" },
#ifndef OPENSSL_NO_SRP
    { "PSK and SRP/SRP", ONLY_TLS12, .context = has_srp, .client = srp_guest, .apart = { NOWHERE, 0 },
      .why = "which passwords a callback knows is not seen" },
    /* The callback is asked at a resumption, too. */
    { "PSK and SRP/SRP, guest unknown", ONLY_TLS12 | SECOND_MAKES_NONE | LIBSSL_REFUSES, .context = srp,
      .client = srp_guest, UNSEEN },
#endif
    { .name = NULL },
};
