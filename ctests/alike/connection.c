/* Attributes: what is set on a connection, before its handshake. */
#include "alike.h"

static const int required = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

static void trusts(SSL_CTX *ctx, int variant)
{
    (void)variant;
    SSL_CTX_set_cert_store(ctx, store_of(0, 1));
}

static void asks(SSL *server, int variant)
{
    SSL_set_verify(server, variant ? required : SSL_VERIFY_NONE, NULL);
}

static void requires(SSL *server, int variant)
{
    SSL_set_verify(server, variant ? required : SSL_VERIFY_PEER, NULL);
}

static void without_at_first(SSL *client, int made, int asked)
{
    (void)asked;
    if (made == 0)
        SSL_certs_clear(client);
}

static int verified(int ok, X509_STORE_CTX *verification)
{
    (void)verification;
    return ok;
}

static void verify_callback(SSL *server, int variant)
{
    SSL_set_verify(server, required, variant ? verified : NULL);
}

static void depth(SSL *server, int variant)
{
    SSL_set_verify_depth(server, 3 + variant);
}

static void parameters(SSL *server, int variant)
{
    X509_VERIFY_PARAM *set = X509_VERIFY_PARAM_new();
    NEED(set != NULL && X509_VERIFY_PARAM_set1_host(set, variant ? "other.example" : "client.example", 0));
    NEED(SSL_set1_param(server, set));
    X509_VERIFY_PARAM_free(set);
}

static void host_name(SSL *server, int variant)
{
    if (variant)
        NEED(SSL_set1_host(server, "client.example"));
}

static void purpose(SSL *server, int variant)
{
    if (variant)
        NEED(SSL_set_purpose(server, X509_PURPOSE_ANY));
}

static void trust(SSL *server, int variant)
{
    if (variant)
        NEED(SSL_set_trust(server, X509_TRUST_SSL_CLIENT));
}

static void flags(SSL *server, int variant)
{
    if (variant)
        NEED(X509_VERIFY_PARAM_set_flags(SSL_get0_param(server), X509_V_FLAG_PARTIAL_CHAIN));
}

static void store(SSL *server, int variant)
{
    X509_STORE *larger = store_of(0, 2);
    if (variant)
        NEED(SSL_set1_verify_cert_store(server, larger));
    X509_STORE_free(larger);
}

static void names_authorities(SSL *server, int variant)
{
    int which;
    for (which = 0; which <= variant; which++)
        NEED(SSL_add_client_CA(server, authority(which)));
}

static void signatures_of_clients(SSL *server, int variant)
{
    NEED(SSL_set1_client_sigalgs_list(server, variant ? "ECDSA+SHA256" : "ECDSA+SHA256:ECDSA+SHA384"));
}

static void cipher_list(SSL *server, int variant)
{
    NEED(SSL_set_cipher_list(server, variant ? "ECDHE-ECDSA-AES256-GCM-SHA384"
                                             : "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"));
}

static void cipher_suites(SSL *server, int variant)
{
    NEED(SSL_set_ciphersuites(server, variant ? "TLS_AES_256_GCM_SHA384"
                                              : "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"));
}

static void groups(SSL *server, int variant)
{
    NEED(SSL_set1_groups_list(server, variant ? "P-256" : "P-256:P-384"));
}

static void signatures(SSL *server, int variant)
{
    NEED(SSL_set1_sigalgs_list(server, variant ? "ECDSA+SHA256" : "ECDSA+SHA256:ECDSA+SHA384"));
}

static void certificate(SSL *server, int variant)
{
    X509 *made;
    if (!variant)
        return;
    made = certificate_like(SSL_get_SSL_CTX(server), 100);
    NEED(SSL_use_certificate(server, made));
    X509_free(made);
}

static void rsa_certificate_too(SSL *server, int variant)
{
    if (variant)
        NEED(SSL_use_certificate(server, rsa_certificate(0)) && SSL_use_PrivateKey(server, rsa_key()));
}

static void chain(SSL *server, int variant)
{
    if (variant)
        NEED(SSL_add1_chain_cert(server, authority(0)));
}

static void id_context(SSL *server, int variant)
{
    NEED(SSL_set_session_id_context(server, (const unsigned char *)(variant ? "other" : "one"), 3));
}

static void security_level(SSL *server, int variant)
{
    SSL_set_security_level(server, 1 + variant);
}

static void option(SSL *server, int variant)
{
    if (variant)
        SSL_set_options(server, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

static void protocol_bounds(SSL *server, int variant)
{
    NEED(SSL_set_min_proto_version(server, variant ? TLS1_2_VERSION : version));
    NEED(SSL_set_max_proto_version(server, variant ? TLS1_3_VERSION : version));
}

/* The connection has been made, and keeps the purpose of before. */
static void purpose_of_context(SSL *server, int variant)
{
    if (variant)
        NEED(SSL_CTX_set_purpose(SSL_get_SSL_CTX(server), X509_PURPOSE_ANY));
}

const Attribute connection_attributes[] = {
    { "verify mode/of a connection, asks", OF_CONNECTIONS, .context = trusts, .connection = asks,
      .apart = { 0, ONLY_WITH_NAME }, .why = "client certificates" },
    { "verify mode/of a connection, requires", OF_CONNECTIONS, .context = trusts, .connection = requires,
      .client = without_at_first, .apart = { ONLY_WITH_NAME, ONLY_WITH_NAME }, .why = "client certificates" },
    { "verify callbacks/of a connection", OF_CONNECTIONS, .context = trusts, .connection = verify_callback,
      .apart = { ONLY_WITH_NAME, ONLY_WITH_NAME }, .why = "client certificates" },
    { "verification parameters/of a connection, depth", ASKS | OF_CONNECTIONS, .connection = depth },
    { "verification parameters/of a connection, by SSL_set1_param", ASKS | OF_CONNECTIONS, .connection = parameters,
      .apart = { NOWHERE, NOWHERE }, .why = "what was taken over is not told" },
    { "verification parameters/of a connection, host name", ASKS | OF_CONNECTIONS, .connection = host_name,
      .apart = { 0, NEEDS_A_NAME }, .why = "1.1.1 does not tell it, nor 4.0 its length" },
    { "verification parameters/of a connection, purpose", ASKS | OF_CONNECTIONS, .connection = purpose,
      .apart = { 0, NOWHERE }, .why = "it has no getter" },
    { "verification parameters/purpose, after the connection was made", ASKS, .connection = purpose_of_context,
      .apart = { 0, NOWHERE }, .why = "which connections have it is not told" },
    { "verification parameters/of a connection, trust", ASKS | OF_CONNECTIONS, .connection = trust,
      .apart = { 0, NOWHERE }, .why = "it has no getter" },
    { "verification parameters/of a connection, flags", ASKS | OF_CONNECTIONS, .connection = flags },
    { "trusted store/of a connection", ASKS | OF_CONNECTIONS, .connection = store },
    { "named authorities/of a connection", ASKS | OF_CONNECTIONS, .connection = names_authorities },
    { "groups and signature algorithms/of a connection, clients' signatures", ASKS | OF_CONNECTIONS, .connection = signatures_of_clients },
    { "cipher suites/of a connection, TLS 1.2", OF_CONNECTIONS, .connection = cipher_list },
    { "cipher suites/of a connection, TLS 1.3", OF_CONNECTIONS, .connection = cipher_suites },
    { "groups and signature algorithms/of a connection, groups", OF_CONNECTIONS, .connection = groups },
    { "groups and signature algorithms/of a connection, signatures", OF_CONNECTIONS, .connection = signatures },
    { "certificates/of a connection, another", OF_CONNECTIONS, .connection = certificate },
    { "certificates/of a connection, one more", OF_CONNECTIONS, .connection = rsa_certificate_too },
    { "certificates/of a connection, a chain", OF_CONNECTIONS, .connection = chain },
    { "session id context/of a connection", OF_CONNECTIONS | LIBSSL_REFUSES, .connection = id_context },
    { "security level/of a connection", OF_CONNECTIONS, .connection = security_level },
    { "options/of a connection", OF_CONNECTIONS, .connection = option },
    { "protocol versions/of a connection", OF_CONNECTIONS, .connection = protocol_bounds },
    { .name = NULL },
};
