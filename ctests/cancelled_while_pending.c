/*
 * settings: SSLCACHE_STATS=1
 *
 * A thread that is to be cancelled at its next cancellation point makes a context and uses its cache: it ends at a point
 * of its own or of libssl's, and the process lives. What we open and write meanwhile is no such point.
 */
#include "common.h"
#include <pthread.h>

static SSL_SESSION *session;

static void *work(void *unused)
{
    SSL_CTX *ctx;
    (void)unused;
    pthread_cancel(pthread_self());
    ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_add_session(ctx, session);
    SSL_CTX_remove_session(ctx, session);
    SSL_CTX_sess_number(ctx);
    SSL_CTX_free(ctx);
    pthread_testcancel();
    return NULL;
}

static void once(void)
{
    pthread_t thread;
    void *result;
    NEED(pthread_create(&thread, NULL, work, NULL) == 0);
    NEED(pthread_join(thread, &result) == 0);
    printf("thread %s\n", result == PTHREAD_CANCELED ? "cancelled" : "returned");
}

int main(void)
{
    session = make_session(NULL, TLS1_2_VERSION, "session");
    once();
    printf("child %s\n", ending_in_child(once));
    once();
    printf("the process lives\n");
    SSL_SESSION_free(session);
    return 0;
}
