/*
 * needs: OpenSSL 3.5
 *
 * The sessions of a QUIC server, whose SSL objects are a listener and connections: stateful and stateless tickets, callbacks,
 * counters, removals and flushes.
 */
#include "quic.h"

static SSL_CTX *clients;
static int removed;

/* A flush calls it in no particular order. */
static void count_removed(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx, (void)session;
    removed++;
}

static void watch(SSL_CTX *ctx)
{
    SSL_CTX_sess_set_new_cb(ctx, trace_new);
    SSL_CTX_sess_set_get_cb(ctx, trace_get);
    SSL_CTX_sess_set_remove_cb(ctx, count_removed);
}

static void visits(const char *what, SSL_CTX *ctx)
{
    QuicServer server = quic_listen(ctx);
    SSL_SESSION *first, *second, *third;
    heading("%s", what);
    TRACE(quic_visit(&server, clients, NULL));
    first = quic_taken();
    TRACE_POINTER(first);
    TRACE(quic_visit(&server, clients, first));
    second = quic_taken();
    TRACE_POINTER(second);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(quic_visit(&server, clients, first));
    third = quic_taken();
    TRACE(quic_visit(&server, clients, third));
    TRACE(quic_visit(&server, clients, quic_taken()));
    print_counters(ctx);
    SSL_CTX_flush_sessions(ctx, 0);
    TRACE(removed);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(quic_visit(&server, clients, second));
    print_counters(ctx);
    SSL_SESSION_free(quic_taken());
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
    SSL_SESSION_free(third);
    SSL_free(server.listener);
}

int main(void)
{
    SSL_CTX *ctx;
    clients = quic_client_context();
    SSL_CTX_set_session_cache_mode(clients, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(clients, quic_keep);

    ctx = quic_server_context();
    visits("stateless tickets", ctx);
    SSL_CTX_free(ctx);

    ctx = quic_server_context();
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    visits("stateful tickets", ctx);
    SSL_CTX_free(ctx);

    ctx = quic_server_context();
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    watch(ctx);
    visits("stateful tickets, with callbacks", ctx);
    SSL_CTX_free(ctx);

    ctx = quic_server_context();
    watch(ctx);
    visits("stateless tickets, with callbacks", ctx);
    SSL_CTX_free(ctx);

    SSL_CTX_free(clients);
    return 0;
}
