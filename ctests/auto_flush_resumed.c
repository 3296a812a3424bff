/*
 * Resumed handshakes count towards the automatic flush as full ones do, and a handshake under a
 * mode that caches nothing does not flush. LIBSSL.md section 1, "every 255th good handshake".
 */
#include "common.h"

static void run(long mode)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
    SSL_SESSION *expired = make_session(NULL, TLS1_2_VERSION, "expired");
    int i, reused, resumed = 0;
    printf("-- mode %#lx\n", (unsigned long)mode);
    SSL_SESSION_set_time(expired, time(NULL) - 100000);
    TRACE(SSL_CTX_add_session(server, expired));
    TRACE(SSL_CTX_sess_number(server));
    SSL_CTX_set_session_cache_mode(server, mode);
    for (i = 2; i <= 300; i++) {
        SSL_SESSION *next = visit_quietly(client, server, session, &reused);
        resumed += reused;
        SSL_SESSION_free(next);
        if (i >= 254 && i <= 258)
            printf("after %d: number %ld\n", i, SSL_CTX_sess_number(server));
    }
    TRACE(resumed);
    TRACE(SSL_CTX_sess_number(server));
    TRACE(SSL_SESSION_is_resumable(expired));
    SSL_SESSION_free(expired);
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    run(SSL_SESS_CACHE_SERVER);
    run(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR);
    run(SSL_SESS_CACHE_OFF);
    run(SSL_SESS_CACHE_CLIENT);
    return 0;
}
