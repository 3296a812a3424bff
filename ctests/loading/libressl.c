/*
 * LibreSSL's surface, of which each function prints what reaches it: no version nodes, no SSL_CTX_new_ex, and the number
 * 2.0.0 for ever. It has everything that taking a cache over needs, by OpenSSL's names, as a later LibreSSL may: only the
 * number keeps it from that.
 */
#include "libressl.h"

#include <stdio.h>

static int calls;

/* The program's bytes are somewhere else in each run. */
static void print_argument(long argument)
{
    if (argument >= 0 && argument < 100000)
        printf(" %ld", argument);
    else
        printf(" pointer");
}

static long told(const char *name, int count, const long *arguments)
{
    int i;
    printf("%s:", name);
    for (i = 0; i < count; i++)
        print_argument(arguments[i]);
    printf("\n");
    return ++calls;
}

#define FUNCTION(answers, what, count, name)                                                                                   \
    long name(long a, long b, long c, long d);                                                                                 \
    long name(long a, long b, long c, long d)                                                                                  \
    {                                                                                                                          \
        return told(#name, count, (long[]) { a, b, c, d });                                                                    \
    }
FUNCTIONS

unsigned long OpenSSL_version_num(void);
unsigned long OpenSSL_version_num(void)
{
    return 0x20000000L;
}

const char *SSL_alert_desc_string_long(int value);
const char *SSL_alert_desc_string_long(int value)
{
    return value == 0 ? "close notify" : "unknown";
}

/* Nobody is to call these. */
#define UNUSED(name) FUNCTION(answers, NUMBERS, 0, name)
UNUSED(TLS_method)
UNUSED(SSL_CTX_up_ref)
UNUSED(SSL_CTX_free)
UNUSED(SSL_CTX_get_options)
UNUSED(SSL_get_SSL_CTX)
UNUSED(SSL_version)
UNUSED(SSL_is_server)
UNUSED(SSL_session_reused)
UNUSED(SSL_get_options)
UNUSED(SSL_get_max_early_data)
UNUSED(SSL_SESSION_new)
UNUSED(SSL_SESSION_up_ref)
UNUSED(SSL_SESSION_free)
UNUSED(SSL_SESSION_get_id)
UNUSED(SSL_SESSION_get_protocol_version)
UNUSED(SSL_SESSION_get_time)
UNUSED(SSL_SESSION_get_timeout)
UNUSED(SSL_SESSION_is_resumable)
UNUSED(SSL_SESSION_has_ticket)
UNUSED(SSL_SESSION_get_master_key)
UNUSED(SSL_SESSION_get_ex_data)
UNUSED(i2d_SSL_SESSION)
UNUSED(d2i_SSL_SESSION)
UNUSED(CRYPTO_get_ex_new_index)
UNUSED(OPENSSL_init_crypto)
UNUSED(ERR_set_mark)
UNUSED(ERR_pop_to_mark)
UNUSED(OPENSSL_LH_new)
UNUSED(OPENSSL_LH_insert)
UNUSED(OPENSSL_LH_retrieve)
UNUSED(OPENSSL_LH_delete)
UNUSED(OPENSSL_LH_free)
