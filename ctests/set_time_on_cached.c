/*
 * SSL_SESSION_set_time and SSL_SESSION_set_timeout on a cached session: its expiry follows, in both
 * directions. LIBSSL.md section 5, "SSL_SESSION_set_time / set_timeout on a cached session".
 */
#include "common.h"

static SSL_CTX *ctx;

static void flush_at(const char *when, long t)
{
    SSL_CTX_flush_sessions(ctx, t);
    printf("after the flush %s: number %ld\n", when, SSL_CTX_sess_number(ctx));
}

int main(void)
{
    long base = 1000000000;
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_2_VERSION, "b");
    SSL_SESSION *c = make_session("c", TLS1_2_VERSION, "c");
    SSL_SESSION *all[] = { a, b, c };
    int i;
    ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    for (i = 0; i < 3; i++) {
        TRACE(SSL_SESSION_set_time(all[i], base));
        TRACE(SSL_SESSION_set_timeout(all[i], 100));
        TRACE(SSL_CTX_add_session(ctx, all[i]));
    }
    heading("a: time forward; b: timeout longer; c: as it was");
    TRACE(SSL_SESSION_set_time(a, base + 1000));
    TRACE(SSL_SESSION_set_timeout(b, 500));
    flush_at("at +101", base + 101);
    heading("b: shorter again; a: back");
    TRACE(SSL_SESSION_set_timeout(b, 10));
    TRACE(SSL_SESSION_set_time(a, base - 1000));
    flush_at("at -900", base - 900);
    flush_at("at -899", base - 899);
    flush_at("at +10", base + 10);
    flush_at("at +11", base + 11);
    heading("values");
    TRACE(SSL_SESSION_get_time(a));
    TRACE(SSL_SESSION_get_timeout(b));
    TRACE(SSL_SESSION_set_timeout(b, -1));
    TRACE(SSL_SESSION_get_timeout(b));
    TRACE(SSL_SESSION_set_timeout(b, 0));
    TRACE(SSL_SESSION_set_time(b, 0));
    TRACE(SSL_SESSION_get_time(b));
    TRACE(SSL_SESSION_set_time(NULL, 5));
    TRACE(SSL_SESSION_set_timeout(NULL, 5));
    heading("removed from the cache, they are sessions like any other");
    TRACE(SSL_SESSION_set_time(a, base));
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    SSL_SESSION_free(c);
    SSL_CTX_free(ctx);
    return 0;
}
