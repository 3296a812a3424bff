/*
 * The servername callback moves the connection to a second context (SSL_set_SSL_CTX). The cache
 * stays with the context that SSL_new was called with. LIBSSL.md section 1, last paragraph.
 */
#include "common.h"

static SSL_CTX *first, *second;

static int switch_context(SSL *ssl, int *alert, void *argument)
{
    (void)alert, (void)argument;
    if (SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != NULL)
        NEED(SSL_set_SSL_CTX(ssl, second) == second);
    return SSL_TLSEXT_ERR_OK;
}

/* With the name that makes the server switch. */
static SSL_SESSION *visit_named(const char *what, SSL_CTX *client, SSL_SESSION *offered)
{
    SSL_SESSION *session = NULL;
    Pair pair = pair_new(client, first, offered);
    NEED(SSL_set_tlsext_host_name(pair.client, "second.example"));
    if (handshake(&pair)) {
        printf("%s: reused client %d server %d, now on %s\n", what, SSL_session_reused(pair.client),
               SSL_session_reused(pair.server), context_name(SSL_get_SSL_CTX(pair.server)));
        session = SSL_get1_session(pair.client);
    } else {
        printf("%s: handshake failed\n", what);
    }
    close_cleanly(&pair);
    return session;
}

static void run(int version, int callbacks, long second_mode)
{
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session, *again;
    printf("-- version %#x%s, mode of the second %#lx\n", (unsigned)version, callbacks ? ", with callbacks" : "",
           (unsigned long)second_mode);
    first = server_context("first", version);
    second = server_context("second", version);
    SSL_CTX_set_options(first, SSL_OP_NO_TICKET);
    SSL_CTX_set_options(second, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(second, second_mode);
    NEED(SSL_CTX_set_tlsext_servername_callback(first, switch_context));
    if (callbacks) {
        trace_callbacks(first);
        trace_callbacks(second);
    }
    session = visit_named("full", client, NULL);
    print_counters(first);
    print_counters(second);
    again = visit_named("resumed", client, session);
    print_counters(first);
    print_counters(second);
    SSL_SESSION_free(visit("without a name", client, first, session));
    SSL_SESSION_free(visit("straight to the second", client, second, session));
    TRACE(SSL_CTX_sess_number(first));
    TRACE(SSL_CTX_sess_number(second));
    SSL_SESSION_free(session);
    SSL_SESSION_free(again);
    SSL_CTX_sess_set_remove_cb(first, NULL);
    SSL_CTX_sess_set_remove_cb(second, NULL);
    SSL_CTX_free(first);
    SSL_CTX_free(second);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION, 0, SSL_SESS_CACHE_SERVER);
    run(TLS1_2_VERSION, 1, SSL_SESS_CACHE_SERVER);
    run(TLS1_2_VERSION, 1, SSL_SESS_CACHE_OFF);
    run(TLS1_3_VERSION, 0, SSL_SESS_CACHE_SERVER);
    run(TLS1_3_VERSION, 1, SSL_SESS_CACHE_SERVER);
    run(TLS1_3_VERSION, 1, SSL_SESS_CACHE_OFF);
    return 0;
}
