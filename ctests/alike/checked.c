/* Attributes: how a client's certificate is checked. Both ask for one. */
#include "alike.h"

static X509_STORE *store(SSL_CTX *ctx)
{
    return SSL_CTX_get_cert_store(ctx);
}

static X509_VERIFY_PARAM *parameters(SSL_CTX *ctx)
{
    return SSL_CTX_get0_param(ctx);
}

static void store_flags(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_STORE_set_flags(store(ctx), X509_V_FLAG_PARTIAL_CHAIN));
}

static void store_purpose(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_STORE_set_purpose(store(ctx), X509_PURPOSE_SSL_CLIENT));
}

static void store_trust(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_STORE_set_trust(store(ctx), X509_TRUST_SSL_CLIENT));
}

static void store_depth(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_STORE_set_depth(store(ctx), 7));
}

static void store_name(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_VERIFY_PARAM_set1_host(X509_STORE_get0_param(store(ctx)), "client.example", 0));
}

static int store_verified(int ok, X509_STORE_CTX *verification)
{
    (void)verification;
    return ok;
}

static int found_issuer(X509 **issuer, X509_STORE_CTX *verification, X509 *of)
{
    return X509_STORE_CTX_get1_issuer(issuer, verification, of);
}

static int is_issuer(X509_STORE_CTX *verification, X509 *of, X509 *issuer)
{
    (void)verification;
    return X509_check_issued(issuer, of) == X509_V_OK;
}

static STACK_OF(X509) *found_by_name(X509_STORE_CTX *verification, const X509_NAME *name)
{
    return X509_STORE_CTX_get1_certs(verification, name);
}

static STACK_OF(X509_CRL) *found_lists(const X509_STORE_CTX *verification, const X509_NAME *name)
{
    return X509_STORE_CTX_get1_crls(verification, name);
}

static int found_list(X509_STORE_CTX *verification, X509_CRL **list, X509 *of)
{
    (void)verification, (void)list, (void)of;
    return 0;
}

static int good_list(X509_STORE_CTX *verification, X509_CRL *list)
{
    (void)verification, (void)list;
    return 1;
}

static int listed(X509_STORE_CTX *verification, X509_CRL *list, X509 *of)
{
    (void)verification, (void)list, (void)of;
    return 1;
}

static int fine(X509_STORE_CTX *verification)
{
    (void)verification;
    return 1;
}

#define STORE_FUNCTION(attribute, setter, function)                                                                    \
    static void attribute(SSL_CTX *ctx, int variant)                                                                   \
    {                                                                                                                  \
        if (variant)                                                                                                   \
            setter(store(ctx), function);                                                                              \
    }

STORE_FUNCTION(store_verify_cb, X509_STORE_set_verify_cb, store_verified)
STORE_FUNCTION(store_verify, X509_STORE_set_verify, fine)
STORE_FUNCTION(store_get_issuer, X509_STORE_set_get_issuer, found_issuer)
STORE_FUNCTION(store_check_issued, X509_STORE_set_check_issued, is_issuer)
STORE_FUNCTION(store_check_revocation, X509_STORE_set_check_revocation, fine)
STORE_FUNCTION(store_get_crl, X509_STORE_set_get_crl, found_list)
STORE_FUNCTION(store_check_crl, X509_STORE_set_check_crl, good_list)
STORE_FUNCTION(store_cert_crl, X509_STORE_set_cert_crl, listed)
STORE_FUNCTION(store_lookup_certs, X509_STORE_set_lookup_certs, found_by_name)
STORE_FUNCTION(store_lookup_crls, X509_STORE_set_lookup_crls, found_lists)

static void flags(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_VERIFY_PARAM_set_flags(parameters(ctx), X509_V_FLAG_PARTIAL_CHAIN));
}

static void purpose(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(SSL_CTX_set_purpose(ctx, X509_PURPOSE_ANY));
}

static void purpose_by_parameters(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_VERIFY_PARAM_set_purpose(parameters(ctx), X509_PURPOSE_ANY));
}

static void trust(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(SSL_CTX_set_trust(ctx, X509_TRUST_SSL_CLIENT));
}

static void trust_by_parameters(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_VERIFY_PARAM_set_trust(parameters(ctx), X509_TRUST_SSL_CLIENT));
}

static void auth_level(SSL_CTX *ctx, int variant)
{
    X509_VERIFY_PARAM_set_auth_level(parameters(ctx), 1 + variant);
}

static void host_name(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_VERIFY_PARAM_set1_host(parameters(ctx), "client.example", 0));
}

static void other_host_name(SSL_CTX *ctx, int variant)
{
    NEED(X509_VERIFY_PARAM_set1_host(parameters(ctx), variant ? "other.example" : "client.example", 0));
}

static void one_more_host_name(SSL_CTX *ctx, int variant)
{
    NEED(X509_VERIFY_PARAM_set1_host(parameters(ctx), "client.example", 0));
    if (variant)
        NEED(X509_VERIFY_PARAM_add1_host(parameters(ctx), "other.example", 0));
}

static void host_flags(SSL_CTX *ctx, int variant)
{
    NEED(X509_VERIFY_PARAM_set1_host(parameters(ctx), "client.example", 0));
    X509_VERIFY_PARAM_set_hostflags(parameters(ctx), variant ? X509_CHECK_FLAG_NO_WILDCARDS : 0);
}

static void email(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_VERIFY_PARAM_set1_email(parameters(ctx), "client@example.org", 0));
}

static void other_email(SSL_CTX *ctx, int variant)
{
    NEED(X509_VERIFY_PARAM_set1_email(parameters(ctx), variant ? "other@example.org" : "client@example.org", 0));
}

static void address(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_VERIFY_PARAM_set1_ip_asc(parameters(ctx), "127.0.0.1"));
}

static void other_address(SSL_CTX *ctx, int variant)
{
    NEED(X509_VERIFY_PARAM_set1_ip_asc(parameters(ctx), variant ? "127.0.0.2" : "127.0.0.1"));
}

static void at_time(SSL_CTX *ctx, int variant)
{
    X509_VERIFY_PARAM_set_time(parameters(ctx), began + variant);
}

static void policy(SSL_CTX *ctx, int variant)
{
    static const char *names[2] = { "1.3.6.1.4.1.55555.1", "1.3.6.1.4.1.55555.2" };
    NEED(X509_VERIFY_PARAM_set_flags(parameters(ctx), X509_V_FLAG_POLICY_CHECK));
    NEED(X509_VERIFY_PARAM_add0_policy(parameters(ctx), OBJ_txt2obj(names[variant], 1)));
}

#define SECOND_NEEDS .apart = { 0, NEEDS_A_NAME }, .why = "1.1.1 does not tell it, nor 4.0 its length"
#define BOTH_NEED .apart = { NEEDS_A_NAME, NEEDS_A_NAME }, .why = "1.1.1 does not tell it, nor 4.0 its length"
#define NO_GETTER .apart = { 0, NOWHERE }, .why = "it has no getter"

const Attribute checked_attributes[] = {
    { "trusted store/flags", ASKS, .context = store_flags },
    { "trusted store/purpose", ASKS | KNOWN_BY_PROCESS, .context = store_purpose, NO_GETTER },
    { "trusted store/trust", ASKS | KNOWN_BY_PROCESS, .context = store_trust, NO_GETTER },
    { "trusted store/depth", ASKS, .context = store_depth },
    { "trusted store/host name", ASKS, .context = store_name, SECOND_NEEDS },
    { "trusted store/verify_cb", ASKS, .context = store_verify_cb },
    { "trusted store/verify", ASKS, .context = store_verify },
    { "trusted store/get_issuer", ASKS, .context = store_get_issuer },
    { "trusted store/check_issued", ASKS, .context = store_check_issued },
    { "trusted store/check_revocation", ASKS, .context = store_check_revocation },
    { "trusted store/get_crl", ASKS, .context = store_get_crl },
    { "trusted store/check_crl", ASKS, .context = store_check_crl },
    { "trusted store/cert_crl", ASKS, .context = store_cert_crl },
    { "trusted store/lookup_certs", ASKS, .context = store_lookup_certs },
    { "trusted store/lookup_crls", ASKS, .context = store_lookup_crls },
    { "verification parameters/flags", ASKS, .context = flags },
    { "verification parameters/purpose by SSL_CTX_set_purpose", ASKS, .context = purpose },
    { "verification parameters/purpose", ASKS, .context = purpose_by_parameters },
    { "verification parameters/trust by SSL_CTX_set_trust", ASKS, .context = trust },
    { "verification parameters/trust", ASKS, .context = trust_by_parameters },
    { "verification parameters/auth level", ASKS, .context = auth_level },
    { "verification parameters/host name", ASKS, .context = host_name, SECOND_NEEDS },
    { "verification parameters/another host name", ASKS, .context = other_host_name, BOTH_NEED },
    { "verification parameters/one more host name", ASKS, .context = one_more_host_name, BOTH_NEED },
    { "verification parameters/host flags", ASKS, .context = host_flags, BOTH_NEED },
    { "verification parameters/e-mail", ASKS, .context = email, SECOND_NEEDS },
    { "verification parameters/another e-mail", ASKS, .context = other_email, BOTH_NEED },
    { "verification parameters/address", ASKS, .context = address, .apart = { 0, NEEDS_AN_ADDRESS },
      .why = "1.1.1 does not tell it" },
    { "verification parameters/another address", ASKS, .context = other_address,
      .apart = { NEEDS_AN_ADDRESS, NEEDS_AN_ADDRESS }, .why = "1.1.1 does not tell it" },
    { "verification parameters/time", ASKS, .context = at_time },
    { "verification parameters/policies", ASKS, .context = policy, .apart = { NOWHERE, NOWHERE }, .why = "they have no getter" },
    { .name = NULL },
};
