/* Authorities, and what they issue: see alike.h. */
#include "alike.h"

#include <openssl/conf.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static EVP_PKEY *authority_keys[2], *client_key, *server_rsa_key;
static X509 *authorities[2], *people[2], *rsa_certificates[2];
static X509_CRL *empty_list;

static void extend(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension;
    CONF *none = NCONF_new(NULL);
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509V3_set_nconf(&context, none);
    extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    NEED(extension != NULL && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
    NCONF_free(none);
}

/* Unsigned; its issuer is `issuer`, or itself. */
static X509 *draft(const char *common_name, EVP_PKEY *key, const X509 *issuer)
{
    static long serial = 1000;
    X509 *made = X509_new();
    X509_NAME *name = X509_NAME_new();
    NEED(made != NULL && name != NULL && X509_set_version(made, X509_VERSION_3));
    NEED(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0));
    NEED(ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial));
    NEED(X509_set_subject_name(made, name));
    NEED(X509_set_issuer_name(made, issuer == NULL ? name : X509_get_subject_name(issuer)));
    NEED(X509_gmtime_adj(X509_getm_notBefore(made), -86400) && X509_gmtime_adj(X509_getm_notAfter(made), 86400));
    NEED(X509_set_pubkey(made, key));
    X509_NAME_free(name);
    return made;
}

static X509 *signed_by(X509 *draft, EVP_PKEY *key)
{
    NEED(X509_sign(draft, key, EVP_sha256()));
    return draft;
}

static X509_CRL *make_empty_list(void)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, -86400), *to = X509_gmtime_adj(NULL, 86400);
    NEED(list != NULL && X509_CRL_set_version(list, X509_CRL_VERSION_2));
    NEED(X509_CRL_set_issuer_name(list, X509_get_subject_name(authorities[0])));
    NEED(X509_CRL_set1_lastUpdate(list, from) && X509_CRL_set1_nextUpdate(list, to));
    NEED(X509_CRL_sign(list, authority_keys[0], EVP_sha256()));
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return list;
}

void make_identities(void)
{
    static const char *names[2] = { "first authority", "second authority" };
    int which;
    client_key = EVP_EC_gen("P-256");
    server_rsa_key = EVP_RSA_gen(2048);
    NEED(client_key != NULL && server_rsa_key != NULL);
    for (which = 0; which < 2; which++) {
        authority_keys[which] = EVP_EC_gen("P-256");
        NEED(authority_keys[which] != NULL);
        authorities[which] = draft(names[which], authority_keys[which], NULL);
        extend(authorities[which], NID_basic_constraints, "critical,CA:TRUE");
        extend(authorities[which], NID_key_usage, "critical,keyCertSign,cRLSign");
        extend(authorities[which], NID_subject_key_identifier, "hash");
        signed_by(authorities[which], authority_keys[which]);
        people[which] = draft("client", client_key, authorities[which]);
        extend(people[which], NID_subject_alt_name,
               "DNS:client.example,DNS:other.example,email:client@example.org,email:other@example.org,IP:127.0.0.1,IP:127.0.0.2");
        extend(people[which], NID_certificate_policies, "1.3.6.1.4.1.55555.1,1.3.6.1.4.1.55555.2");
        signed_by(people[which], authority_keys[which]);
        rsa_certificates[which] = signed_by(draft("ctests", server_rsa_key, NULL), server_rsa_key);
    }
    empty_list = make_empty_list();
}

static void write_certificate(FILE *to, X509 *certificate, EVP_PKEY *key)
{
    NEED(PEM_write_X509(to, certificate) && PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL));
}

static void read_certificate(FILE *from, X509 **certificate, EVP_PKEY **key)
{
    EVP_PKEY *before = *key;
    *certificate = PEM_read_X509(from, NULL, NULL, NULL);
    *key = PEM_read_PrivateKey(from, NULL, NULL, NULL);
    NEED(*certificate != NULL && *key != NULL);
    EVP_PKEY_free(before);
}

void write_identities(FILE *to)
{
    SSL_CTX *server = server_context("server", version);
    int which;
    write_certificate(to, SSL_CTX_get0_certificate(server), SSL_CTX_get0_privatekey(server));
    for (which = 0; which < 2; which++) {
        write_certificate(to, authorities[which], authority_keys[which]);
        write_certificate(to, people[which], client_key);
        write_certificate(to, rsa_certificates[which], server_rsa_key);
    }
    NEED(PEM_write_X509_CRL(to, empty_list) && fflush(to) == 0);
    SSL_CTX_free(server);
}

void read_identities(FILE *from)
{
    X509 *certificate;
    EVP_PKEY *key = NULL;
    int which;
    read_certificate(from, &certificate, &key);
    take_certificate(certificate, key);
    for (which = 0; which < 2; which++) {
        read_certificate(from, &authorities[which], &authority_keys[which]);
        read_certificate(from, &people[which], &client_key);
        read_certificate(from, &rsa_certificates[which], &server_rsa_key);
    }
    empty_list = PEM_read_X509_CRL(from, NULL, NULL, NULL);
    NEED(empty_list != NULL);
}

X509 *authority(int which)
{
    return authorities[which];
}

X509 *person(int which)
{
    return people[which];
}

EVP_PKEY *person_key(void)
{
    return client_key;
}

X509_CRL *revoked(void)
{
    return empty_list;
}

X509 *rsa_certificate(int which)
{
    return rsa_certificates[which];
}

EVP_PKEY *rsa_key(void)
{
    return server_rsa_key;
}

X509 *certificate_like(SSL_CTX *ctx, long serial)
{
    X509 *draft = X509_dup(SSL_CTX_get0_certificate(ctx)), *made;
    NEED(draft != NULL && ASN1_INTEGER_set(X509_get_serialNumber(draft), serial));
    NEED(i2d_re_X509_tbs(draft, NULL) > 0);
    made = X509_dup(draft);
    X509_free(draft);
    return made;
}

X509_STORE *store_of(int first, int number)
{
    X509_STORE *store = X509_STORE_new();
    int which;
    NEED(store != NULL);
    for (which = first; which < first + number; which++)
        NEED(X509_STORE_add_cert(store, authorities[which]));
    return store;
}
