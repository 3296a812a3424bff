/*
 * settings: SSLCACHE_STATS=1
 *
 * A thread that is to be cancelled at its next cancellation point makes a context and uses its cache: it ends at a point
 * of its own or of libssl's, and the process lives. What we open and write meanwhile is no such point. libcrypto has an
 * allocator of the program's, whose memory is looked up when a context is made.
 */
#include "common.h"
#include <pthread.h>
#include <stdlib.h>

static SSL_SESSION *session;
/* Whether the calls came to their end. */
static int done;

static void *allocate(size_t length, const char *file, int line)
{
    (void)file, (void)line;
    return malloc(length);
}

static void *reallocate(void *block, size_t length, const char *file, int line)
{
    (void)file, (void)line;
    return realloc(block, length);
}

static void release(void *block, const char *file, int line)
{
    (void)file, (void)line;
    free(block);
}

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
    done = 1;
    pthread_testcancel();
    return NULL;
}

static void once(void)
{
    pthread_t thread;
    void *result;
    done = 0;
    NEED(pthread_create(&thread, NULL, work, NULL) == 0);
    NEED(pthread_join(thread, &result) == 0);
    printf("thread %s, calls %s\n", result == PTHREAD_CANCELED ? "cancelled" : "returned", done ? "done" : "cut off");
}

int main(void)
{
    NEED(CRYPTO_set_mem_functions(allocate, reallocate, release) == 1);
    session = make_session(NULL, TLS1_2_VERSION, "session");
    once();
    printf("child %s\n", ending_in_child(once));
    once();
    printf("the process lives\n");
    SSL_SESSION_free(session);
    return 0;
}
