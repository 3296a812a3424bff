/*
 * A handshake that finds, misses or replaces cached sessions leaves no error behind, and nothing
 * that a callback of the application left in the queue is lost.
 * DESIGN.md, "errno and OpenSSL's error queue belong to the program".
 */
#include "common.h"

static int leave_error(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl, (void)session;
    ERR_raise(ERR_LIB_USER, 7);
    return 0;
}

static void run(int version, long mode, int callbacks)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session = NULL;
    int i;
    printf("-- version %#x, mode %#lx, callbacks %d\n", (unsigned)version, (unsigned long)mode, callbacks);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_set_max_early_data(server, 1000);
    if (callbacks)
        SSL_CTX_sess_set_new_cb(server, leave_error);
    for (i = 0; i < 3; i++) {
        Pair pair = pair_new(client, server, session);
        int round;
        ERR_clear_error();
        for (round = 0; round < 10; round++) {
            SSL_do_handshake(pair.client);
            SSL_do_handshake(pair.server);
        }
        printf("finished %d %d, reused %d, last error %d\n", SSL_is_init_finished(pair.client),
               SSL_is_init_finished(pair.server), SSL_session_reused(pair.server), ERR_GET_REASON(ERR_peek_last_error()));
        NEED(handshake(&pair));
        SSL_SESSION_free(session);
        session = SSL_get1_session(pair.client);
        close_cleanly(&pair);
        if (i == 1)
            SSL_CTX_flush_sessions(server, 0);
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    int callbacks;
    for (callbacks = 0; callbacks <= 1; callbacks++) {
        run(TLS1_2_VERSION, SSL_SESS_CACHE_SERVER, callbacks);
        run(TLS1_3_VERSION, SSL_SESS_CACHE_SERVER, callbacks);
        run(TLS1_2_VERSION, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL, callbacks);
    }
    return 0;
}
