/*
 * Contexts and sessions that only an application's ex_data callbacks get to see: sslcache has
 * contexts of its own to mark sessions with, one of them for children, and where the host cannot be stepped into, a session
 * in each context. That session is gone with its context; the scratch contexts are kept.
 * LIBSSL.md section 2, "several scratch contexts" (divergence).
 */
#include "common.h"

static int contexts, sessions;
static void *last_context;

static void see(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)ptr, (void)ad, (void)idx, (void)argl;
    last_context = parent;
    ++*(int *)argp;
}

static void count(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ptr, (void)ad, (void)idx, (void)argl;
    ++*(int *)argp;
}

static void uncount(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ptr, (void)ad, (void)idx, (void)argl;
    --*(int *)argp;
}

int main(void)
{
    SSL_CTX *ctx;
    SSL_SESSION *a;
    NEED(SSL_CTX_get_ex_new_index(0, &contexts, see, NULL, uncount) >= 0);
    NEED(SSL_SESSION_get_ex_new_index(0, &sessions, count, NULL, uncount) >= 0);
    ctx = server_context("ctx", TLS1_2_VERSION);
    printf("the last context seen is the one made: %d\n", last_context == ctx);
    a = make_session(NULL, TLS1_2_VERSION, "a");
    NEED(SSL_CTX_add_session(ctx, a) == 1);
    divergence("seen_with_a_session", "%d contexts, %d sessions", contexts, sessions);
    NEED(SSL_CTX_remove_session(ctx, a) == 1);
    divergence("seen_after_a_removal", "%d contexts, %d sessions", contexts, sessions);
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    divergence("seen_with_a_remove_callback", "%d contexts, %d sessions", contexts, sessions);
    NEED(SSL_CTX_add_session(ctx, a) == 1);
    NEED(SSL_CTX_remove_session(ctx, a) == 1);
    divergence("seen_after_another_removal", "%d contexts, %d sessions", contexts, sessions);
    SSL_SESSION_free(a);
    SSL_CTX_free(ctx);
    divergence("seen_at_the_end", "%d contexts, %d sessions", contexts, sessions);
    return 0;
}
