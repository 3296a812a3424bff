/*
 * The order in which things end with a context: its sessions, then its ex_data, then nothing is
 * called any more, also where the remove callback adds a session while the cache is emptied for the
 * last time. LIBSSL.md section 1, "SSL_CTX_free"; section 5, "cache calls inside a remove callback"
 * (divergence).
 */
#include "common.h"

static int context_index, session_index;
static SSL_SESSION *extra;
static int added, removals, removals_after_ex_data, ended;

static void context_value_gone(void *parent, void *value, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (value == NULL)
        return;
    ended = 1;
    puts("the context's ex_data is freed");
}

static void session_value_gone(void *parent, void *value, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (value != NULL)
        printf("a session is freed: %s\n", (const char *)value);
}

static void removed(SSL_CTX *ctx, SSL_SESSION *session)
{
    SSL_SESSION *more = extra;
    (void)session;
    removals++;
    removals_after_ex_data += ended;
    extra = NULL;
    if (more == NULL)
        return;
    added = SSL_CTX_add_session(ctx, more);
    SSL_SESSION_free(more);
}

static SSL_CTX *prepared(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
    NEED(SSL_CTX_set_ex_data(ctx, context_index, ctx));
    NEED(SSL_SESSION_set_ex_data(a, session_index, (void *)"a"));
    NEED(SSL_CTX_add_session(ctx, a) == 1);
    SSL_SESSION_free(a);
    removals = removals_after_ex_data = ended = 0;
    return ctx;
}

int main(void)
{
    SSL_CTX *ctx;
    context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, context_value_gone);
    session_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, session_value_gone);
    NEED(context_index > 0 && session_index > 0);

    heading("no callback");
    ctx = prepared();
    SSL_CTX_free(ctx);
    TRACE(live_sessions());

    heading("a remove callback");
    ctx = prepared();
    SSL_CTX_sess_set_remove_cb(ctx, removed);
    SSL_CTX_free(ctx);
    TRACE(removals);
    TRACE(removals_after_ex_data);
    TRACE(live_sessions());

    heading("one that adds a session");
    ctx = prepared();
    SSL_CTX_sess_set_remove_cb(ctx, removed);
    extra = make_session(NULL, TLS1_2_VERSION, "extra");
    SSL_CTX_free(ctx);
    /* Whether that one goes through the callback, too, is a matter of where it came to stand. */
    divergence("added_at_the_end", "%d", added);
    TRACE(removals_after_ex_data);
    divergence("left_at_the_end", "%ld", live_sessions());
    return 0;
}
