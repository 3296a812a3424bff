/*
 * A context lives as long as somebody holds it: SSL_CTX_up_ref, or an SSL that outlives its
 * SSL_CTX_free. Its cache is drained when the last one lets go; sessions that are held outlive it.
 * LIBSSL.md section 1, "SSL_CTX_free".
 */
#include "common.h"

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *session;
    Pair pair;
    SSL_CTX_sess_set_remove_cb(server, trace_remove);
    TRACE(SSL_CTX_add_session(server, a));
    heading("one more reference");
    TRACE(SSL_CTX_up_ref(server));
    SSL_CTX_free(server);
    TRACE(SSL_CTX_sess_number(server));
    heading("the last reference is an SSL's");
    pair = pair_new(client, server, NULL);
    SSL_CTX_free(server);
    TRACE(handshake(&pair));
    TRACE(SSL_CTX_sess_number(server));
    TRACE(SSL_CTX_remove_session(SSL_get_SSL_CTX(pair.server), a));
    session = SSL_get1_session(pair.server);
    TRACE(SSL_SESSION_is_resumable(session));
    close_cleanly(&pair);
    heading("the session outlives its context");
    TRACE(SSL_SESSION_is_resumable(session));
    TRACE(SSL_SESSION_set_timeout(session, 5));
    TRACE(SSL_SESSION_set_time(session, 1000));
    TRACE(SSL_SESSION_get_timeout(session));
    SSL_SESSION_free(session);
    heading("and can be used with another");
    server = server_context("another", TLS1_2_VERSION);
    TRACE(SSL_CTX_add_session(server, a));
    SSL_SESSION_free(a);
    TRACE(SSL_CTX_sess_number(server));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
    heading("NULL");
    SSL_CTX_free(NULL);
    return 0;
}
