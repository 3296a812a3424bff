/*
 * needs: OpenSSL 3.5
 * settings: SSLCACHE_GROUP=shop
 *
 * Sessions over QUIC stay with their context and their process, where those over TLS are shared: what a QUIC connection asks of
 * its peer cannot be read inside a callback.
 */
#include "quic.h"

#include <sys/mman.h>
#include <sys/wait.h>

int sessions_are_bare(void)
{
    return 1;
}

static SSL_CTX *clients;

static int visit_at(SSL_CTX *ctx, SSL_SESSION *offered)
{
    QuicServer server = quic_listen(ctx);
    int reused = quic_visit(&server, clients, offered);
    SSL_SESSION_free(offered);
    SSL_free(server.listener);
    return reused;
}

static void two_contexts(void)
{
    SSL_CTX *first = quic_stateful_context(), *second = quic_stateful_context();
    heading("two contexts of one certificate");
    TRACE(visit_at(first, NULL));
    TRACE(visit_at(second, quic_taken()));
    TRACE(visit_at(second, quic_taken()));
    TRACE(visit_at(first, quic_taken()));
    SSL_SESSION_free(quic_taken());
    SSL_CTX_free(first);
    SSL_CTX_free(second);
}

/* The same over TLS, to see that the contexts would share. */
static void two_contexts_of_tls(void)
{
    SSL_CTX *first = server_context("first", TLS1_3_VERSION), *second = server_context("second", TLS1_3_VERSION);
    SSL_CTX *client = client_context("client", TLS1_3_VERSION);
    SSL_SESSION *session, *next;
    int reused;
    SSL_CTX_set_options(first, SSL_OP_NO_TICKET);
    SSL_CTX_set_options(second, SSL_OP_NO_TICKET);
    session = visit_quietly(client, first, NULL, NULL);
    next = visit_quietly(client, second, session, &reused);
    divergence("quic_apart_tls", "%d", reused);
    SSL_SESSION_free(session);
    SSL_SESSION_free(next);
    SSL_CTX_free(client);
    SSL_CTX_free(first);
    SSL_CTX_free(second);
}

/* A session of before the fork is in both processes, as with libssl; one of after it is in its own. */
static void over_a_fork(void)
{
    SSL_CTX *ctx = quic_stateful_context();
    unsigned char *der = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *end = der + 4;
    const unsigned char *start = der + 4;
    SSL_SESSION *session;
    int status, length;
    pid_t child;
    NEED(der != MAP_FAILED);
    heading("over a fork");
    TRACE(visit_at(ctx, NULL));
    child = fork();
    NEED(child >= 0);
    if (child == 0) {
        TRACE(visit_at(ctx, quic_taken()));
        session = quic_taken();
        NEED(session != NULL && i2d_SSL_SESSION(session, NULL) <= 4000);
        length = i2d_SSL_SESSION(session, &end);
        memcpy(der, &length, sizeof length);
        _exit(0);
    }
    NEED(waitpid(child, &status, 0) == child && status == 0);
    memcpy(&length, der, sizeof length);
    session = d2i_SSL_SESSION(NULL, &start, length);
    NEED(session != NULL);
    TRACE(visit_at(ctx, session));
    SSL_SESSION_free(quic_taken());
    SSL_CTX_free(ctx);
}

int main(void)
{
    clients = quic_client_context();
    SSL_CTX_set_session_cache_mode(clients, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(clients, quic_keep);
    two_contexts();
    two_contexts_of_tls();
    over_a_fork();
    SSL_CTX_free(clients);
    return 0;
}
