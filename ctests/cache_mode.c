/*
 * SSL_CTX_set_session_cache_mode returns the previous mode and takes every bit, also those without
 * a meaning; SSL_CTX_get_session_cache_mode shows exactly what the application set.
 * SSL_CTX_set_session_cache_mode(3): "The default mode is SSL_SESS_CACHE_SERVER."
 */
#include "common.h"

static void set(SSL_CTX *ctx, long mode)
{
    printf("set %#lx: returned %#lx", (unsigned long)mode, (unsigned long)SSL_CTX_set_session_cache_mode(ctx, mode));
    printf(", now %#lx\n", (unsigned long)SSL_CTX_get_session_cache_mode(ctx));
}

int main(void)
{
    static const long flags[] = {
        SSL_SESS_CACHE_OFF, SSL_SESS_CACHE_CLIENT, SSL_SESS_CACHE_SERVER, SSL_SESS_CACHE_BOTH,
        SSL_SESS_CACHE_NO_AUTO_CLEAR, SSL_SESS_CACHE_NO_INTERNAL_LOOKUP, SSL_SESS_CACHE_NO_INTERNAL_STORE,
        SSL_SESS_CACHE_NO_INTERNAL, SSL_SESS_CACHE_UPDATE_TIME,
    };
    const size_t count = sizeof flags / sizeof flags[0];
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    size_t i, j;
    TRACE(SSL_CTX_get_session_cache_mode(ctx));
    TRACE(SSL_CTX_get_session_cache_mode(ctx) == SSL_SESS_CACHE_SERVER);
    heading("alone and in twos");
    for (i = 0; i < count; i++)
        for (j = i; j < count; j++)
            set(ctx, flags[i] | flags[j]);
    heading("all, unknown bits, negative");
    set(ctx, 0x7ff);
    set(ctx, 0x8000);
    set(ctx, 0x8000 | SSL_SESS_CACHE_SERVER);
    set(ctx, 0x7fffffff);
    set(ctx, -1);
    set(ctx, 0x100000000L | SSL_SESS_CACHE_SERVER);
    set(ctx, SSL_SESS_CACHE_SERVER);
    heading("the callbacks do not show in it");
    trace_callbacks(ctx);
    TRACE(SSL_CTX_get_session_cache_mode(ctx));
    TRACE(SSL_CTX_get_options(ctx) == (SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_ENABLE_MIDDLEBOX_COMPAT));
    heading("through SSL_CTX_ctrl, and without a context");
    TRACE(SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_BOTH, NULL));
    TRACE(SSL_CTX_ctrl(ctx, SSL_CTRL_GET_SESS_CACHE_MODE, 0, NULL));
    TRACE(SSL_CTX_set_session_cache_mode(NULL, SSL_SESS_CACHE_BOTH));
    TRACE(SSL_CTX_get_session_cache_mode(NULL));
    SSL_CTX_free(ctx);
    return 0;
}
