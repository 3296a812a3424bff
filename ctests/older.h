/*
 * What the headers of OpenSSL 1.1.1 lack and programs here use. A program that needs functions of 3.0 says so in
 * its first comment, "needs: OpenSSL 3.0"; a part of a program is in `#if OPENSSL_VERSION_MAJOR >= 3`. One that 1.1.1
 * itself does not survive says "hangs: OpenSSL 1.1.1": what it prints there under sslcache is what it prints on 3.0.
 */
#ifndef CTESTS_OLDER_H
#define CTESTS_OLDER_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/opensslv.h>

#ifndef OPENSSL_VERSION_MAJOR
#define OPENSSL_VERSION_MAJOR 1
/* Without a meaning there. */
#define SSL_SESS_CACHE_UPDATE_TIME 0x0400
#define SSL_OP_ALLOW_CLIENT_RENEGOTIATION 0
#define X509_VERSION_3 2
#define X509_CRL_VERSION_2 1
#define LIBSSL_FILE "libssl.so.1.1"
#define NEW_EX(method) SSL_CTX_new(method)
#define ERR_raise(library, reason) ERR_put_error(library, 0, reason, __FILE__, __LINE__)
#define EVP_EC_gen(curve) evp_ec_gen(EC_curve_nist2nid(curve))

#define SSL_CTX_load_verify_dir(ctx, folder) SSL_CTX_load_verify_locations(ctx, NULL, folder)

static inline EVP_PKEY *EVP_RSA_gen(unsigned bits)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    EVP_PKEY *key = NULL;
    EVP_PKEY_keygen_init(ctx);
    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits);
    EVP_PKEY_keygen(ctx, &key);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static inline EVP_PKEY *evp_ec_gen(int curve)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *key = NULL;
    EVP_PKEY_keygen_init(ctx);
    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, curve);
    EVP_PKEY_keygen(ctx, &key);
    EVP_PKEY_CTX_free(ctx);
    return key;
}
#else
#define LIBSSL_FILE "libssl.so." OPENSSL_MSTR(OPENSSL_SHLIB_VERSION)
/* By SSL_CTX_new_ex, where there is one. */
#define NEW_EX(method) SSL_CTX_new_ex(NULL, NULL, method)
#endif

#endif
