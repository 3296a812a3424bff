/* A full handshake, a resumed one and one more, under one cache mode: all that can be seen of it. */
#ifndef CTESTS_MODES_H
#define CTESTS_MODES_H

#include "common.h"

static void run_mode(int version, long mode, int with_callbacks, long options)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *first, *second, *third;
    SSL_CTX_set_options(server, options);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_set_session_cache_mode(client, mode);
    if (with_callbacks) {
        trace_callbacks(server);
        trace_callbacks(client);
    }
    printf("-- mode %#lx%s\n", (unsigned long)mode, with_callbacks ? ", with callbacks" : "");
    first = visit("full", client, server, NULL);
    NEED(first != NULL);
    print_counters(server);
    print_counters(client);
    second = visit("resumed", client, server, first);
    NEED(second != NULL);
    print_counters(server);
    print_counters(client);
    third = visit("resumed again", client, server, second);
    print_counters(server);
    print_counters(client);
    printf("resumable: %d %d %d\n", SSL_SESSION_is_resumable(first), SSL_SESSION_is_resumable(second),
           third != NULL && SSL_SESSION_is_resumable(third));
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
    SSL_SESSION_free(third);
    printf("alive %ld\n", live_sessions());
    /* What the drain of a context sends to its callback, context_free_drains tells. */
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_sess_set_remove_cb(client, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    printf("alive %ld\n", live_sessions());
}

static void run_modes(int version, long options)
{
    static const long modes[] = {
        SSL_SESS_CACHE_OFF,
        SSL_SESS_CACHE_CLIENT,
        SSL_SESS_CACHE_SERVER,
        SSL_SESS_CACHE_BOTH,
        SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_AUTO_CLEAR,
        SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP,
        SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL_STORE,
        SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL,
        SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_UPDATE_TIME,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_STORE,
        SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL,
        SSL_SESS_CACHE_SERVER | 0x8000,
        SSL_SESS_CACHE_NO_INTERNAL,
        SSL_SESS_CACHE_UPDATE_TIME,
    };
    size_t i;
    for (i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        run_mode(version, modes[i], 0, options);
        run_mode(version, modes[i], 1, options);
    }
}

#endif
