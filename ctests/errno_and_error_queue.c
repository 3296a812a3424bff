/*
 * No cache call changes errno or OpenSSL's error queue, found or not found, first call or not.
 * DESIGN.md, "errno and OpenSSL's error queue belong to the program".
 */
#include "common.h"

#include <errno.h>

#define KEEPS(call)                                                                                \
    do {                                                                                           \
        errno = 77;                                                                                \
        (void)(call);                                                                              \
        printf("%s: errno %d, errors %s\n", #call, errno,                                          \
               ERR_peek_error() == expected && ERR_peek_last_error() == expected ? "as before"     \
                                                                                 : "changed");     \
    } while (0)

static unsigned long expected;

static void call_all(SSL_CTX *ctx, SSL_SESSION *a, SSL_SESSION *b)
{
    KEEPS(SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER));
    KEEPS(SSL_CTX_get_session_cache_mode(ctx));
    KEEPS(SSL_CTX_sess_set_cache_size(ctx, 10));
    KEEPS(SSL_CTX_sess_set_cache_size(ctx, -10));
    KEEPS(SSL_CTX_sess_set_new_cb(ctx, trace_new));
    KEEPS(SSL_CTX_sess_get_new_cb(ctx));
    KEEPS(SSL_CTX_sess_set_remove_cb(ctx, NULL));
    KEEPS(SSL_CTX_sess_set_get_cb(ctx, trace_get));
    KEEPS(SSL_CTX_add_session(ctx, a));
    KEEPS(SSL_CTX_add_session(ctx, a));
    KEEPS(SSL_CTX_add_session(ctx, b));
    KEEPS(SSL_CTX_sess_number(ctx));
    KEEPS(SSL_CTX_sess_cache_full(ctx));
    KEEPS(SSL_CTX_sessions(ctx));
    KEEPS(SSL_SESSION_set_time(a, 1000));
    KEEPS(SSL_SESSION_set_timeout(a, 1000));
    KEEPS(SSL_CTX_remove_session(ctx, b));
    KEEPS(SSL_CTX_remove_session(ctx, b));
    KEEPS(SSL_CTX_remove_session(ctx, NULL));
    KEEPS(SSL_CTX_flush_sessions(ctx, time(NULL)));
    KEEPS(SSL_CTX_flush_sessions(ctx, 0));
}

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session(NULL, TLS1_2_VERSION, "b");
    ERR_clear_error();
    heading("an empty queue");
    expected = 0;
    call_all(ctx, a, b);
    heading("one error in it");
    ERR_raise(ERR_LIB_USER, 1);
    expected = ERR_peek_error();
    call_all(ctx, a, b);
    heading("the context goes");
    KEEPS(SSL_CTX_add_session(ctx, a));
    KEEPS(SSL_CTX_free(ctx));
    ERR_clear_error();
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    return 0;
}
