/*
 * A thread ends inside a callback of the cache, cancelled as it waits or by itself: with libssl the thread ends, the
 * process lives, and the cache goes on. Afterwards others use the same session, the same context.
 */
#include "common.h"
#include <pthread.h>

static SSL_CTX *server, *client;
static SSL_SESSION *offered;
static int armed;

static void end_thread(void)
{
    if (!armed)
        return;
    armed = 0;
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

static int from_new(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl, (void)session;
    end_thread();
    return 0;
}

static SSL_SESSION *from_get(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    (void)ssl, (void)id, (void)length, (void)copy;
    end_thread();
    return NULL;
}

static void from_remove(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx, (void)session;
    end_thread();
}

static void *visiting(void *unused)
{
    (void)unused;
    SSL_SESSION_free(visit_quietly(client, server, offered, NULL));
    return NULL;
}

static void *removing(void *session)
{
    SSL_CTX_remove_session(server, session);
    return NULL;
}

static void in_thread(const char *what, void *(*work)(void *), void *argument)
{
    pthread_t thread;
    void *result;
    armed = 1;
    NEED(pthread_create(&thread, NULL, work, argument) == 0);
    NEED(pthread_join(thread, &result) == 0);
    printf("%s: %s\n", what, result == PTHREAD_CANCELED ? "cancelled" : "returned");
    armed = 0;
}

/* Whether the cache has what an earlier visit left. */
static SSL_SESSION *twice(void)
{
    int reused;
    SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
    SSL_SESSION *again = visit_quietly(client, server, session, &reused);
    printf("and goes on: resumed %d\n", reused);
    SSL_SESSION_free(session);
    return again;
}

static void run(int version)
{
    SSL_SESSION *added = make_session(NULL, version, "added");
    server = server_context("server", version);
    client = client_context("client", version);
    printf("-- version %#x\n", (unsigned)version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_sess_set_new_cb(server, from_new);
    SSL_CTX_sess_set_get_cb(server, from_get);
    SSL_CTX_sess_set_remove_cb(server, from_remove);
    in_thread("in the new callback", visiting, NULL);
    offered = twice();
    SSL_CTX_flush_sessions(server, 0);
    in_thread("in the get callback", visiting, NULL);
    SSL_SESSION_free(offered);
    offered = NULL;
    SSL_SESSION_free(twice());
    TRACE(SSL_CTX_add_session(server, added));
    in_thread("in the remove callback", removing, added);
    TRACE(SSL_CTX_add_session(server, added));
    TRACE(SSL_CTX_remove_session(server, added));
    SSL_SESSION_free(twice());
    SSL_SESSION_free(added);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

/* Early data: the ticket that a cancelled handshake looked up is another one's. */
static void claimed(void)
{
    server = server_context("server", TLS1_3_VERSION);
    client = client_context("client", TLS1_3_VERSION);
    printf("-- early data\n");
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_max_early_data(server, 1024);
    SSL_CTX_sess_set_get_cb(server, from_get);
    offered = visit_quietly(client, server, NULL, NULL);
    SSL_CTX_flush_sessions(server, 0);
    in_thread("in the get callback", visiting, NULL);
    in_thread("and again", visiting, NULL);
    SSL_SESSION_free(offered);
    offered = NULL;
    SSL_SESSION_free(twice());
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

int main(void)
{
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    claimed();
    return 0;
}
