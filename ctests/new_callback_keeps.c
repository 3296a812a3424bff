/*
 * The new callback answers 1 to keep the reference it was given, 0 to leave it with libssl.
 * SSL_CTX_sess_set_new_cb(3): "If the callback returns 1, the session will be ... not freed";
 * LIBSSL.md section 1, "handshake done".
 */
#include "common.h"

static SSL_SESSION *kept;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    trace_new(ssl, session);
    TRACE(session == SSL_get_session(ssl));
    TRACE(SSL_is_server(ssl));
    kept = session;
    return new_answer;
}

static void run(long mode, int answer)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    heading("mode %#lx, answer %d", (unsigned long)mode, answer);
    new_answer = answer;
    kept = NULL;
    SSL_CTX_set_session_cache_mode(server, mode);
    SSL_CTX_sess_set_new_cb(server, keep);
    SSL_SESSION_free(visit("full", client, server, NULL));
    TRACE(live_sessions());
    TRACE(SSL_CTX_sess_number(server));
    SSL_CTX_flush_sessions(server, 0);
    TRACE(live_sessions());
    if (answer && kept != NULL) {
        TRACE(SSL_SESSION_is_resumable(kept));
        SSL_SESSION_free(kept);
    }
    TRACE(live_sessions());
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    run(SSL_SESS_CACHE_SERVER, 0);
    run(SSL_SESS_CACHE_SERVER, 1);
    run(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL, 0);
    run(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL, 1);
    run(SSL_SESS_CACHE_OFF, 1);
    return 0;
}
