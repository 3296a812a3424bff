/*
 * curl's way: mode CLIENT | NO_INTERNAL with a new callback that keeps the reference; what it keeps
 * can be offered later, by another SSL. LIBSSL.md section 7, curl.
 */
#include "common.h"

static SSL_SESSION *kept[4];
static int count;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    new_answer = 1;
    trace_new(ssl, session);
    NEED(count < 4);
    kept[count++] = session;
    return 1;
}

static void run(int version)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    printf("-- version %#x\n", (unsigned)version);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, keep);
    SSL_SESSION_free(visit("full", client, server, NULL));
    TRACE(count);
    SSL_CTX_sess_set_new_cb(client, NULL);
    while (count > 0) {
        SSL_SESSION *session = kept[--count];
        TRACE(SSL_SESSION_is_resumable(session));
        SSL_SESSION_free(visit("with a kept one", client, server, session));
        SSL_SESSION_free(session);
    }
    TRACE(SSL_CTX_sess_number(client));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    return 0;
}
