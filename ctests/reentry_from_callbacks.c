/*
 * The cache is called from inside the new and the get callback: number, mode, size, add, remove and
 * flush all answer there as they do elsewhere. LIBSSL.md section 2, "expect to be re-entered".
 */
#include "common.h"

static SSL_SESSION *extra;
static int in_new, in_get;

static void call_everything(SSL_CTX *ctx)
{
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_get_session_cache_mode(ctx));
    TRACE(SSL_CTX_set_session_cache_mode(ctx, SSL_CTX_get_session_cache_mode(ctx)));
    TRACE(SSL_CTX_sess_set_cache_size(ctx, 100) > 0);
    TRACE(SSL_CTX_add_session(ctx, extra));
    TRACE(SSL_CTX_add_session(ctx, extra));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_remove_session(ctx, extra));
    SSL_CTX_flush_sessions(ctx, 1);
    TRACE_POINTER(SSL_CTX_sessions(ctx));
    TRACE(SSL_CTX_sess_number(ctx));
}

static int from_new(SSL *ssl, SSL_SESSION *session)
{
    trace_new(ssl, session);
    if (in_new++ == 0)
        call_everything(SSL_get_SSL_CTX(ssl));
    else
        /* Thrown out the moment it is made. */
        TRACE(SSL_CTX_remove_session(SSL_get_SSL_CTX(ssl), session));
    return 0;
}

static SSL_SESSION *from_get(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    trace_get(ssl, id, length, copy);
    if (in_get++ == 0)
        call_everything(SSL_get_SSL_CTX(ssl));
    else
        SSL_CTX_flush_sessions(SSL_get_SSL_CTX(ssl), 0);
    return NULL;
}

static void run(int version)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *first, *second;
    printf("-- version %#x\n", (unsigned)version);
    in_new = in_get = 0;
    extra = make_session(NULL, version, "extra");
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    if (version == TLS1_3_VERSION)
        SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_sess_set_new_cb(server, from_new);
    SSL_CTX_sess_set_get_cb(server, from_get);
    first = visit("full", client, server, NULL);
    SSL_CTX_flush_sessions(server, 0);
    second = visit("missing", client, server, first);
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(first);
    first = second != NULL ? visit("missing again", client, server, second) : NULL;
    print_counters(server);
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
    SSL_SESSION_free(extra);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    return 0;
}
