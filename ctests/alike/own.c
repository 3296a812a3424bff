/* Attributes: what a server is and speaks, for any client. */
#include "alike.h"

static int allowed(const SSL *ssl, const SSL_CTX *ctx, int operation, int bits, int nid, void *other, void *argument)
{
    (void)ssl, (void)ctx, (void)operation, (void)bits, (void)nid, (void)other, (void)argument;
    return 1;
}

static int allowed_otherwise(const SSL *ssl, const SSL_CTX *ctx, int operation, int bits, int nid, void *other,
                             void *argument)
{
    return allowed(ssl, ctx, operation, bits, nid, other, argument);
}

static void security_level(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_security_level(ctx, 1 + variant);
}

static void security_callback(SSL_CTX *ctx, int variant)
{
    if (variant)
        SSL_CTX_set_security_callback(ctx, allowed);
}

static void other_security_callback(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_security_callback(ctx, variant ? allowed_otherwise : allowed);
}

static void use(SSL_CTX *ctx, X509 *certificate)
{
    NEED(SSL_CTX_use_certificate(ctx, certificate));
    X509_free(certificate);
}

static void security_data(SSL_CTX *ctx, int variant)
{
    static char data;
    if (variant)
        SSL_CTX_set0_security_ex_data(ctx, &data);
}

static void certificate(SSL_CTX *ctx, int variant)
{
    use(ctx, certificate_like(ctx, 100 + variant));
}

static void calls_one_name(SSL *client, int made, int asked)
{
    (void)made, (void)asked;
    NEED(SSL_set_tlsext_host_name(client, "open.example"));
}

/* Certificate 100, then 200, then 300 where the first lay. */
static void certificate_twice(SSL_CTX *ctx, int variant)
{
    X509 *like, *other, *first, *spare[64], *third = NULL;
    int tries;
    certificate(ctx, 0);
    if (!variant)
        return;
    like = certificate_like(ctx, 300);
    other = certificate_like(ctx, 200);
    first = X509_dup(SSL_CTX_get0_certificate(ctx));
    use(ctx, first);
    visit_once(ctx);
    use(ctx, other);
    for (tries = 0; tries < 64 && third != first; tries++)
        spare[tries] = third = X509_dup(like);
    NEED(SSL_CTX_use_certificate(ctx, third));
    while (tries-- > 0)
        X509_free(spare[tries]);
    X509_free(like);
}

static void with_rsa(SSL_CTX *ctx, int which)
{
    X509 *current = SSL_CTX_get0_certificate(ctx);
    EVP_PKEY *key = SSL_CTX_get0_privatekey(ctx);
    NEED(X509_up_ref(current) && EVP_PKEY_up_ref(key));
    NEED(SSL_CTX_use_certificate(ctx, rsa_certificate(which)) && SSL_CTX_use_PrivateKey(ctx, rsa_key()));
    /* The one that was loaded last is what the context has first to say. */
    NEED(SSL_CTX_use_certificate(ctx, current) && SSL_CTX_use_PrivateKey(ctx, key));
    X509_free(current);
    EVP_PKEY_free(key);
}

static void one_more_certificate(SSL_CTX *ctx, int variant)
{
    if (variant)
        with_rsa(ctx, 0);
}

static void other_rsa_certificate(SSL_CTX *ctx, int variant)
{
    with_rsa(ctx, variant);
}

static void chain(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_clear_chain_certs(ctx) && SSL_CTX_add1_chain_cert(ctx, authority(variant)));
}

static void has_chain(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(SSL_CTX_add1_chain_cert(ctx, authority(0)));
}

static void extra_chain(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_up_ref(authority(0)) && SSL_CTX_add_extra_chain_cert(ctx, authority(0)));
}

static void id_context(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)(variant ? "other" : "one"), 3));
}

static void protocol_bounds(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_set_min_proto_version(ctx, variant ? TLS1_2_VERSION : version));
    NEED(SSL_CTX_set_max_proto_version(ctx, variant ? TLS1_3_VERSION : version));
}

static void cipher_list(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_set_cipher_list(ctx, variant ? "ECDHE-ECDSA-AES256-GCM-SHA384"
                                              : "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"));
}

static void cipher_suites(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_set_ciphersuites(ctx, variant ? "TLS_AES_256_GCM_SHA384"
                                               : "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"));
}

static void groups(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_set1_groups_list(ctx, variant ? "P-256" : "P-256:P-384"));
}

static void signatures(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_set1_sigalgs_list(ctx, variant ? "ECDSA+SHA256" : "ECDSA+SHA256:ECDSA+SHA384"));
}

static void signatures_of_clients(SSL_CTX *ctx, int variant)
{
    NEED(SSL_CTX_set1_client_sigalgs_list(ctx, variant ? "ECDSA+SHA256" : "ECDSA+SHA256:ECDSA+SHA384"));
}

static void option(SSL_CTX *ctx, int variant)
{
    if (variant)
        SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

static void other_option(SSL_CTX *ctx, int variant)
{
    if (variant)
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
}

static int refuses_nothing(SSL *server, int is_forward_secure)
{
    (void)server;
    return is_forward_secure < 0;
}

static void may_refuse(SSL_CTX *ctx, int variant)
{
    if (variant)
        SSL_CTX_set_not_resumable_session_callback(ctx, refuses_nothing);
}

#if OPENSSL_VERSION_MAJOR >= 3
static SSL_CTX *with_properties(int variant)
{
    return SSL_CTX_new_ex(NULL, variant ? "?provider=default" : NULL, TLS_method());
}

static SSL_CTX *in_library(int variant)
{
    static OSSL_LIB_CTX *library;
    if (library == NULL)
        library = OSSL_LIB_CTX_new();
    return SSL_CTX_new_ex(variant ? library : NULL, NULL, TLS_method());
}
#endif

#if OPENSSL_VERSION_NUMBER >= 0x30200000
static void certificate_types(SSL_CTX *ctx, int variant)
{
    static const unsigned char both[2] = { TLSEXT_cert_type_rpk, TLSEXT_cert_type_x509 };
    if (variant)
        NEED(SSL_CTX_set1_client_cert_type(ctx, both, sizeof both));
}
#endif

const Attribute own_attributes[] = {
    { "nothing", .flags = SAME },
    { "security level/number", .context = security_level },
    { "security level/callback, none", .context = security_callback },
    { "security level/callback, another", .context = other_security_callback },
    { "security level/data", .context = security_data, .apart = { 0, ONLY_INHERITED }, .why = "what lies there is not seen" },
    { "certificates/another", .context = certificate },
    { "certificates/another, of a name", OF_CERTIFICATES, .context = certificate, .client = calls_one_name },
    { "certificates/replaced twice", .context = certificate_twice },
    { "certificates/one more", .context = one_more_certificate },
    { "certificates/another RSA", .context = other_rsa_certificate },
    { "certificates/another chain", .context = chain },
    { "certificates/a chain", .context = has_chain },
    { "certificates/extra chain", .context = extra_chain },
    { "session id context", LIBSSL_REFUSES, .context = id_context },
    { "protocol versions", .context = protocol_bounds },
    { "cipher suites/of TLS 1.2", .context = cipher_list },
    { "cipher suites/of TLS 1.3", .context = cipher_suites },
    { "groups and signature algorithms/groups", .context = groups },
    { "groups and signature algorithms/signatures", .context = signatures },
    { "groups and signature algorithms/clients' signatures", ASKS, .context = signatures_of_clients },
    { "options/preference", .context = option },
    { "options/renegotiation", .context = other_option },
    { "not-resumable callback", .context = may_refuse, .apart = { 0, NOWHERE }, .why = "what it will refuse is not seen" },
#if OPENSSL_VERSION_MAJOR >= 3
    { "provider query/properties", .make = with_properties },
    { "provider query/library context", .make = in_library, .apart = { 0, NOT_FORKED },
      .why = "what providers it has is not told" },
#else
    { "provider query", .flags = NOT_HERE },
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30200000
    { "client certificate types", ASKS, .context = certificate_types },
#else
    { "client certificate types", .flags = NOT_HERE },
#endif
    { .name = NULL },
};
