/*
 * settings: SSLCACHE_GROUP=certificate
 *
 * A group shares among contexts of one certificate, but never with one that asks clients for theirs, however late it
 * begins to ask, nor with a connection that does; and only among contexts with the same cipher suites.
 */
#include "common.h"

int sessions_are_bare(void)
{
    return 1;
}

static SSL_CTX *shop(const char *name)
{
    SSL_CTX *ctx = server_context(name, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

static const int asks = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

static void offer(const char *what, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *session, int connection_asks)
{
    Pair pair = pair_new(client, server, session);
    int done;
    if (connection_asks)
        SSL_set_verify(pair.server, asks, NULL);
    done = handshake(&pair);
    printf("%s: %s\n", what, !done ? "refused" : SSL_session_reused(pair.server) ? "resumed" : "accepted");
    close_cleanly(&pair);
}

int main(void)
{
    SSL_CTX *client = client_context("client", TLS1_2_VERSION), *open_to_all = shop("open"), *late = shop("late");
    SSL_CTX *other = shop("other"), *served = shop("served"), *modern = shop("modern");
    SSL_SESSION *session;
    int reused;
    SSL_CTX_sess_set_cache_size(late, 1000);
    SSL_CTX_set_verify(late, asks, NULL);
    NEED(SSL_CTX_set_cipher_list(modern, "ECDHE-ECDSA-AES256-GCM-SHA384"));
    SSL_SESSION_free(visit_quietly(client, served, NULL, NULL));
    session = visit_quietly(client, open_to_all, NULL, NULL);
    SSL_SESSION_free(visit_quietly(client, other, session, &reused));
    divergence("group_shares", "%d", reused);
    offer("asks late", client, late, session, 0);
    offer("connection asks", client, other, session, 1);
    offer("other cipher suites", client, modern, session, 0);
    SSL_CTX_set_verify(served, asks, NULL);
    offer("asks after it has served", client, served, session, 0);
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    SSL_CTX_free(open_to_all);
    SSL_CTX_free(late);
    SSL_CTX_free(other);
    SSL_CTX_free(served);
    SSL_CTX_free(modern);
    return 0;
}
