/*
 * A worker's own copy of a session is marked not resumable behind the cache's back, as by another process where a
 * program keeps its sessions in memory that it shares: what the workers share is as good as before.
 */
#include "common.h"

static SSL_CTX *server, *client, *other;
static int version;
static SSL_SESSION *last;
static int removed;

int sessions_are_bare(void)
{
    return 1;
}

static int keep_last(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    if (last != NULL)
        return 0;
    last = session;
    return 1;
}

static void count_removed(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    removed += session == last;
}

static void marked(void)
{
    SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
    int reused, times;
    /* Of a context that never had it: it is marked, and no more. */
    TRACE(SSL_CTX_remove_session(other, last));
    for (times = 0; times < 2; times++) {
        SSL_SESSION_free(visit_quietly(client, server, session, &reused));
        /* OpenSSL 1.1.1 hands out the marked copy, which a client of TLS 1.2 cannot resume. */
        if (version == TLS1_2_VERSION)
            divergence("workers_marked_copy", "%d", reused);
        else
            printf("resumed %d\n", reused);
    }
    TRACE(removed);
    SSL_CTX_flush_sessions(server, 0);
    TRACE(removed);
    SSL_SESSION_free(visit_quietly(client, server, session, &reused));
    printf("flushed: resumed %d\n", reused);
    SSL_SESSION_free(session);
    SSL_SESSION_free(last);
}

static void run(int protocol)
{
    version = protocol;
    printf("-- version %#x\n", (unsigned)version);
    server = server_context("server", version);
    other = server_context("other", version);
    client = client_context("client", version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_sess_set_new_cb(server, keep_last);
    SSL_CTX_sess_set_remove_cb(server, count_removed);
    printf("the worker %s\n", ending_in_child(marked));
    SSL_CTX_free(server);
    SSL_CTX_free(other);
    SSL_CTX_free(client);
}

int main(void)
{
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    return 0;
}
