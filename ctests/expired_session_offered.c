/*
 * An expired session is offered: it is not resumed, `timeouts` counts it, and where it came from
 * the cache by its id it is removed, with the remove callback. LIBSSL.md section 1, "timeout
 * (expired: counts timeouts, calls SSL_CTX_remove_session)".
 */
#include "common.h"

static SSL_SESSION *made[2];
static int count;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    if (count == 2)
        return 0;
    made[count++] = session;
    return 1;
}

static void run(int version, long options, long mode)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    int i;
    printf("-- version %#x, options %#lx, mode %#lx\n", (unsigned)version, options, (unsigned long)mode);
    SSL_CTX_set_options(server, options);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_sess_set_new_cb(server, keep);
    count = 0;
    session = visit("full", client, server, NULL);
    SSL_CTX_sess_set_new_cb(server, NULL);
    TRACE(count);
    trace_callbacks(server);
    for (i = 0; i < count; i++)
        SSL_SESSION_set_time(made[i], time(NULL) - 100000);
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(visit("offered", client, server, session));
    print_counters(server);
    SSL_SESSION_free(visit("once more", client, server, session));
    print_counters(server);
    for (i = 0; i < count; i++) {
        TRACE(SSL_SESSION_is_resumable(made[i]));
        SSL_SESSION_free(made[i]);
    }
    SSL_SESSION_free(session);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION, 0, SSL_SESS_CACHE_SERVER);
    run(TLS1_3_VERSION, SSL_OP_NO_TICKET, SSL_SESS_CACHE_SERVER);
    run(TLS1_2_VERSION, 0, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_UPDATE_TIME);
    return 0;
}
