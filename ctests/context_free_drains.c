/*
 * SSL_CTX_free sends every cached session to the remove callback, while the context's ex_data can
 * still be read, whether its index was registered before or after the first context was made.
 * LIBSSL.md section 1, "SSL_CTX_free".
 */
#include "common.h"

static int early_index, late_index;
static int drained;

static void value_gone(void *parent, void *value, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (value != NULL)
        printf("ex_data \"%s\" freed after %d removals\n", (const char *)value, drained);
}

static void drain(SSL_CTX *ctx, SSL_SESSION *session)
{
    drained++;
    printf("  remove(resumable %d, early \"%s\", late \"%s\")\n", SSL_SESSION_is_resumable(session),
           (const char *)SSL_CTX_get_ex_data(ctx, early_index), (const char *)SSL_CTX_get_ex_data(ctx, late_index));
}

static void run(int with_handshakes)
{
    SSL_CTX *ctx;
    SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session(NULL, TLS1_2_VERSION, "b");
    drained = 0;
    ctx = server_context("ctx", TLS1_2_VERSION);
    if (late_index == 0)
        late_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, value_gone);
    NEED(SSL_CTX_set_ex_data(ctx, early_index, (void *)"early"));
    NEED(SSL_CTX_set_ex_data(ctx, late_index, (void *)"late"));
    SSL_CTX_sess_set_remove_cb(ctx, drain);
    TRACE(SSL_CTX_add_session(ctx, a));
    TRACE(SSL_CTX_add_session(ctx, b));
    if (with_handshakes) {
        SSL_CTX *client = client_context("client", TLS1_2_VERSION);
        SSL_SESSION_free(visit("full", client, ctx, NULL));
        SSL_CTX_free(client);
    }
    SSL_SESSION_free(b);
    heading("free");
    SSL_CTX_free(ctx);
    TRACE(drained);
    TRACE(live_sessions());
    TRACE(SSL_SESSION_is_resumable(a));
    SSL_SESSION_free(a);
}

int main(void)
{
    early_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, value_gone);
    run(0);
    run(1);
    return 0;
}
