/*
 * A cache that is forced on a program which then switches its own on: what was cached until then is none of the program's,
 * which was told of nothing, and may have other rules by now. And one that switches its own off: it is told of what leaves,
 * as it was told of it when it came. SSL_CTX_set_session_cache_mode(3), SSL_CTX_sess_set_remove_cb(3).
 *
 * settings: SSLCACHE_FORCE=1
 */
#include "common.h"

int sessions_are_bare(void)
{
    return 1;
}

static SSL_CTX *server, *client;
static int news, removals;

static int count_new(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    (void)session;
    news++;
    return 0;
}

static void count_removed(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    (void)session;
    removals++;
}

static void tell(const char *when)
{
    printf("%s: new %d, removed %d\n", when, news, removals);
}

static void open_shop(void)
{
    news = removals = 0;
    server = server_context("server", TLS1_2_VERSION);
    client = client_context("client", TLS1_2_VERSION);
    SSL_CTX_sess_set_new_cb(server, count_new);
    SSL_CTX_sess_set_remove_cb(server, count_removed);
}

static void close_shop(void)
{
    SSL_CTX_free(server);
    tell("freed");
    SSL_CTX_free(client);
}

int main(void)
{
    SSL_SESSION *session;
    Pair pair;
    int reused = 0;
    printf("-- switched on\n");
    open_shop();
    SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
    session = visit_quietly(client, server, NULL, NULL);
    SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_SERVER);
    pair = pair_new(client, server, session);
    printf("without a certificate: %s\n", handshake(&pair) ? "let in" : "refused");
    ERR_clear_error();
    free_both(&pair);
    SSL_SESSION_free(session);
    SSL_CTX_flush_sessions(server, 0);
    tell("flushed");
    close_shop();

    printf("-- switched off\n");
    open_shop();
    session = visit_quietly(client, server, NULL, NULL);
    SSL_SESSION_free(visit_quietly(client, server, session, &reused));
    SSL_SESSION_free(session);
    SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
    tell(reused ? "resumed, then off" : "off");
    close_shop();
    return 0;
}
