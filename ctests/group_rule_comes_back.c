/*
 * A context of a group whose options change for a while: what it removes, changes or flushes meanwhile is not found again
 * when they are as before. SSL_CTX_remove_session(3), SSL_CTX_flush_sessions(3), SSL_SESSION_set1_id_context(3).
 *
 * settings: SSLCACHE_GROUP=shop
 */
#include "keep_last.h"

int sessions_are_bare(void)
{
    return 1;
}

static void change(SSL_CTX *server, int how)
{
    switch (how) {
    case 0:
        SSL_CTX_remove_session(server, last);
        break;
    case 1:
        SSL_SESSION_set1_id_context(last, (const unsigned char *)"revoked", 7);
        break;
    default:
        SSL_CTX_flush_sessions(server, 0);
    }
}

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION), *client = client_context("client", TLS1_2_VERSION);
    int how, reused;
    for (how = 0; how < 3; how++) {
        SSL_SESSION *session;
        SSL_CTX_sess_set_new_cb(server, keep_last);
        session = visit_quietly(client, server, NULL, NULL);
        SSL_CTX_sess_set_new_cb(server, NULL);
        SSL_CTX_set_options(server, SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_SESSION_free(visit_quietly(client, server, NULL, NULL));
        change(server, how);
        SSL_CTX_clear_options(server, SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_SESSION_free(visit_quietly(client, server, session, &reused));
        printf("%d: resumed %d\n", how, reused);
        SSL_SESSION_free(session);
    }
    SSL_SESSION_free(last);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
