/*
 * An ex_data function that runs whenever a context begins, also one of ours, uses the cache of another context: it is the
 * cache that the rest of the program uses.
 */
#include "common.h"

static SSL_CTX *first;
static SSL_SESSION *to_add, *to_remove;

static void begins(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    SSL_SESSION *add = to_add, *gone = to_remove;
    (void)parent, (void)ptr, (void)ad, (void)idx, (void)argl, (void)argp;
    to_add = to_remove = NULL;
    if (add != NULL)
        NEED(SSL_CTX_add_session(first, add) == 1);
    if (gone != NULL)
        NEED(SSL_CTX_remove_session(first, gone) == 1);
}

int main(void)
{
    SSL_CTX *second;
    SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session(NULL, TLS1_2_VERSION, "b");
    SSL_SESSION *c = make_session(NULL, TLS1_2_VERSION, "c");
    NEED(SSL_CTX_get_ex_new_index(0, NULL, begins, NULL, NULL) >= 0);
    first = server_context("first", TLS1_2_VERSION);
    NEED(SSL_CTX_add_session(first, a) == 1 && SSL_CTX_add_session(first, b) == 1);
    to_remove = b;
    to_add = c;
    TRACE(SSL_CTX_remove_session(first, a));
    second = server_context("second", TLS1_2_VERSION);
    TRACE(SSL_CTX_sess_number(first));
    TRACE(SSL_SESSION_is_resumable(b));
    TRACE(SSL_CTX_remove_session(first, b));
    TRACE(SSL_CTX_remove_session(first, c));
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    SSL_SESSION_free(c);
    SSL_CTX_free(second);
    SSL_CTX_free(first);
    return 0;
}
