/*
 * A program that flushes by the host's own function, which it has found by dlsym, and goes on: whichever session has the
 * place in memory of one that is gone, its removal is that of one session, and the end of the context is told of those
 * that are left.
 */
#include "common.h"

#include <dlfcn.h>

#define VISITS 20

static SSL_CTX *server, *client;

static void break_off(void)
{
    Pair pair = pair_new(client, server, NULL);
    NEED(handshake(&pair));
    free_both(&pair);
}

int main(void)
{
    SSL_SESSION *first, *second;
    void (*flush)(SSL_CTX *, long);
    void *libssl = dlopen(LIBSSL_FILE, RTLD_NOW | RTLD_LOCAL);
    int i;
    NEED(libssl != NULL);
    *(void **)&flush = dlsym(libssl, "SSL_CTX_flush_sessions");
    NEED(flush != NULL);
    server = server_context("server", TLS1_2_VERSION);
    client = client_context("client", TLS1_2_VERSION);
    first = make_session("first", TLS1_2_VERSION, "first");
    second = make_session("second", TLS1_2_VERSION, "second");
    TRACE(SSL_CTX_add_session(server, first));
    flush(server, 0);
    SSL_CTX_flush_sessions(server, 0);
    TRACE(SSL_CTX_add_session(server, second));
    for (i = 0; i < VISITS; i++)
        break_off();
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
    SSL_CTX_sess_set_remove_cb(server, trace_remove);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
    return 0;
}
