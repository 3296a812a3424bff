/*
 * settings: SSLCACHE_FORCE=1
 *
 * A forced cache is not there for a name that demands client certificates: libssl asks for the session before the
 * servername callback has asked for them. Nor is a session good for another name than its own.
 */
#include "common.h"

int sessions_are_bare(void)
{
    return 1;
}

static SSL_CTX *secure;

static int by_name(SSL *ssl, int *alert, void *argument)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert, (void)argument;
    if (name != NULL && strcmp(name, "secure") == 0) {
        SSL_set_SSL_CTX(ssl, secure);
        SSL_set_verify(ssl, SSL_CTX_get_verify_mode(secure), NULL);
    }
    return SSL_TLSEXT_ERR_OK;
}

static SSL_SESSION *go(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *session, const char *name, const char **answer)
{
    Pair pair = pair_new(client, server, session);
    SSL_SESSION *got = NULL;
    int done;
    if (name != NULL)
        SSL_set_tlsext_host_name(pair.client, name);
    done = handshake(&pair);
    *answer = !done ? "refused" : SSL_session_reused(pair.server) ? "resumed" : "accepted";
    if (done)
        got = SSL_get1_session(pair.client);
    close_cleanly(&pair);
    return got;
}

static void run(int version)
{
    SSL_CTX *client = client_context("client", version), *server = server_context("default", version);
    SSL_CTX *both[2];
    SSL_SESSION *session, *next;
    const char *answer;
    int i;
    secure = server_context("secure", version);
    both[0] = server;
    both[1] = secure;
    for (i = 0; i < 2; i++) {
        SSL_CTX_set_session_cache_mode(both[i], SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(both[i], SSL_OP_NO_TICKET);
    }
    SSL_CTX_set_verify(secure, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_tlsext_servername_callback(server, by_name);

    session = go(client, server, NULL, NULL, &answer);
    printf("no name: %s\n", answer);
    next = go(client, server, session, "secure", &answer);
    printf("at a name that demands certificates: %s\n", answer);
    SSL_SESSION_free(next);
    next = go(client, server, session, "other", &answer);
    printf("at another name: %s\n", answer);
    SSL_SESSION_free(next);
    SSL_SESSION_free(session);
    session = go(client, server, NULL, "shop", &answer);
    printf("a name: %s\n", answer);
    next = go(client, server, session, "shop", &answer);
    divergence(version == TLS1_2_VERSION ? "forced_names_tls12" : "forced_names_tls13", "%s", answer);
    SSL_SESSION_free(next);
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    SSL_CTX_free(secure);
}

int main(void)
{
    heading("TLS 1.2");
    run(TLS1_2_VERSION);
    heading("TLS 1.3");
    run(TLS1_3_VERSION);
    return 0;
}
