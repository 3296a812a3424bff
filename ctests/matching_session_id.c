/*
 * SSL_has_matching_session_id: 1 where the session context's cache has that id in the version of
 * the SSL, else 0. SSL_has_matching_session_id(3).
 */
#include "common.h"

static void ask(const char *what, SSL *ssl, const SSL_SESSION *session)
{
    unsigned length;
    const unsigned char *id = SSL_SESSION_get_id(session, &length);
    printf("%s: %d\n", what, SSL_has_matching_session_id(ssl, id, length));
}

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *other = server_context("other", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *absent = make_session(NULL, TLS1_2_VERSION, "absent");
    SSL_SESSION *added = make_session(NULL, TLS1_2_VERSION, "added");
    SSL_SESSION *thirteen = make_session(NULL, TLS1_3_VERSION, "thirteen");
    unsigned char zero[64] = { 0 };
    SSL_SESSION *session;
    Pair pair = pair_new(client, server, NULL);
    NEED(handshake(&pair));
    session = SSL_get_session(pair.client);
    NEED(SSL_CTX_add_session(server, added) == 1 && SSL_CTX_add_session(server, thirteen) == 1);
    ask("its own", pair.server, session);
    ask("added by hand", pair.server, added);
    ask("absent", pair.server, absent);
    ask("another version", pair.server, thirteen);
    ask("the client's cache is empty", pair.client, session);
    TRACE(SSL_has_matching_session_id(pair.server, zero, 0));
    TRACE(SSL_has_matching_session_id(pair.server, zero, 32));
    TRACE(SSL_has_matching_session_id(pair.server, zero, 33));
    TRACE(SSL_has_matching_session_id(pair.server, zero, 64));
    heading("moved to another context, it asks the session context");
    NEED(SSL_CTX_add_session(other, absent) == 1);
    NEED(SSL_set_SSL_CTX(pair.server, other) == other);
    ask("its own", pair.server, session);
    ask("in the other", pair.server, absent);
    heading("removed");
    TRACE(SSL_CTX_remove_session(server, added));
    ask("added by hand", pair.server, added);
    SSL_CTX_flush_sessions(server, 0);
    ask("its own", pair.server, session);
    TRACE(SSL_CTX_sess_misses(server));
    close_cleanly(&pair);
    SSL_SESSION_free(absent);
    SSL_SESSION_free(added);
    SSL_SESSION_free(thirteen);
    SSL_CTX_free(server);
    SSL_CTX_free(other);
    SSL_CTX_free(client);
    TRACE(live_sessions());
    return 0;
}
