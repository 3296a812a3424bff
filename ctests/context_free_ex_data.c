/*
 * What an application hung on a context is freed with it, by code that calls the cache once more:
 * it finds the cache empty and what was set as it was set, whether its index was registered before
 * or after the first context was made. CRYPTO_get_ex_new_index(3), free_func: "called when a
 * structure is freed"; the parent is still a context then.
 */
#include "common.h"

static int early_index, late_index;

static int removals;

static void removed(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx, (void)session;
    removals++;
}

static SSL_SESSION *found(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    (void)ssl, (void)id, (void)length, (void)copy;
    return NULL;
}

static void value_gone(void *parent, void *value, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    SSL_CTX *ctx = parent;
    SSL_SESSION *session = value;
    (void)ad, (void)argl;
    if (session == NULL)
        return;
    printf("freeing %s\n", (const char *)argp);
    TRACE_POINTER(SSL_CTX_get_ex_data(ctx, idx));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_get_session_cache_mode(ctx));
    TRACE(SSL_CTX_sess_get_get_cb(ctx) == found);
    TRACE(SSL_CTX_sess_get_remove_cb(ctx) == removed);
    TRACE_POINTER(SSL_CTX_sess_get_new_cb(ctx));
    TRACE(OPENSSL_LH_num_items((OPENSSL_LHASH *)SSL_CTX_sessions(ctx)));
    TRACE(SSL_SESSION_is_resumable(session));
    TRACE(SSL_CTX_remove_session(ctx, session));
    SSL_CTX_flush_sessions(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    TRACE(SSL_CTX_get_session_cache_mode(ctx));
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_BOTH);
    TRACE(removals);
    SSL_SESSION_free(session);
}

static void run(const char *what, int with_sessions)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_2_VERSION, "b");
    heading("%s", what);
    removals = 0;
    if (late_index == 0)
        late_index = SSL_CTX_get_ex_new_index(0, (void *)"late", NULL, NULL, value_gone);
    NEED(SSL_CTX_set_ex_data(ctx, early_index, a) && SSL_CTX_set_ex_data(ctx, late_index, b));
    SSL_CTX_sess_set_get_cb(ctx, found);
    SSL_CTX_sess_set_remove_cb(ctx, removed);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_BOTH);
    if (with_sessions) {
        TRACE(SSL_CTX_add_session(ctx, a));
        TRACE(SSL_CTX_add_session(ctx, b));
    }
    SSL_CTX_free(ctx);
    TRACE(removals);
    TRACE(live_sessions());
}

int main(void)
{
    early_index = SSL_CTX_get_ex_new_index(0, (void *)"early", NULL, NULL, value_gone);
    NEED(early_index > 0);
    run("cached", 1);
    run("not cached", 0);
    return 0;
}
