/*
 * An ex_data function of the program flushes the contexts that are freed, but for its own: that is no sign of how the host
 * frees one. The remove callback is called before the data of a context is freed, also where this context is the first.
 * LIBSSL.md section 8, "ex_data and the end of objects".
 */
#include "common.h"

static const char *freed;

static void value_gone(void *parent, void *value, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)ad, (void)idx, (void)argl, (void)argp;
    if (value == NULL) {
        SSL_CTX_flush_sessions(parent, 0);
        return;
    }
    printf("the context's ex_data is freed\n");
    freed = value;
}

static void removed(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    printf("removed %s the data is freed, resumable %d\n", freed == NULL ? "before" : "after", SSL_SESSION_is_resumable(session));
}

static void run(const char *what, SSL_CTX *ctx, int index)
{
    SSL_SESSION *session = make_session(NULL, TLS1_2_VERSION, "a");
    heading("%s", what);
    NEED(ctx != NULL && SSL_CTX_set_ex_data(ctx, index, (void *)"data"));
    SSL_CTX_sess_set_remove_cb(ctx, removed);
    TRACE(SSL_CTX_add_session(ctx, session));
    SSL_SESSION_free(session);
    freed = NULL;
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
}

int main(void)
{
    int index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, value_gone);
    NEED(index > 0);
    run("SSL_CTX_new_ex, where there is one", NEW_EX(TLS_method()), index);
    run("SSL_CTX_new", SSL_CTX_new(TLS_method()), index);
    return 0;
}
