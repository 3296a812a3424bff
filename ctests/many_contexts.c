/*
 * A context for each connection, as gunicorn and PHP do, and contexts whose memory the next one
 * gets: none sees what another cached. SSL_CTX_set_session_cache_mode(3): "the sessions are unique
 * for each SSL_CTX object."
 */
#include "common.h"

int main(void)
{
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *session = NULL;
    SSL_CTX *many[64];
    int i, reused, resumed = 0, cached = 0;
    for (i = 0; i < 200; i++) {
        SSL_CTX *server = server_context("server", TLS1_2_VERSION);
        SSL_SESSION *next;
        NEED(SSL_CTX_sess_number(server) == 0);
        next = visit_quietly(client, server, session, &reused);
        resumed += reused;
        cached += (int)SSL_CTX_sess_number(server);
        SSL_SESSION_free(session);
        session = next;
        SSL_CTX_free(server);
    }
    TRACE(resumed);
    TRACE(cached);
    SSL_SESSION_free(session);
    heading("sixty-four at once");
    for (i = 0; i < 64; i++) {
        SSL_SESSION *same = make_session(NULL, TLS1_2_VERSION, "the same id everywhere");
        many[i] = server_context("one of many", TLS1_2_VERSION);
        SSL_CTX_sess_set_cache_size(many[i], 1000 + i);
        NEED(SSL_CTX_add_session(many[i], same) == 1);
        SSL_SESSION_free(same);
    }
    TRACE(live_sessions());
    for (i = 0; i < 64; i += 2)
        SSL_CTX_flush_sessions(many[i], 0);
    TRACE(live_sessions());
    for (i = 0; i < 64; i++) {
        NEED(SSL_CTX_sess_number(many[i]) == i % 2);
        NEED(SSL_CTX_sess_get_cache_size(many[i]) == 1000 + i);
        SSL_CTX_free(many[i]);
    }
    TRACE(live_sessions());
    SSL_CTX_free(client);
    return 0;
}
