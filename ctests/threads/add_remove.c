/*
 * Eight threads add and remove, each its own sessions and all the same ones: every own removal
 * finds its session, and no reference is lost or doubled.
 */
#include "threads.h"

#define ROUNDS 400

static SSL_CTX *ctx;
static SSL_SESSION *shared[4];
static atomic_int added, removed, shared_added, shared_removed;

static void *add_and_remove(void *argument)
{
    long thread = (long)argument;
    char id[32];
    int i;
    for (i = 0; i < ROUNDS; i++) {
        SSL_SESSION *own;
        snprintf(id, sizeof id, "thread %ld, %d", thread, i);
        own = make_session(NULL, TLS1_2_VERSION, id);
        atomic_fetch_add(&added, SSL_CTX_add_session(ctx, own));
        atomic_fetch_add(&shared_added, SSL_CTX_add_session(ctx, shared[i % 4]));
        if (i % 3 == 0)
            SSL_SESSION_set_timeout(own, 100 + i);
        atomic_fetch_add(&removed, SSL_CTX_remove_session(ctx, own));
        atomic_fetch_add(&shared_removed, SSL_CTX_remove_session(ctx, shared[(i + thread) % 4]));
        SSL_SESSION_free(own);
    }
    return NULL;
}

int main(void)
{
    int i;
    ctx = server_context("ctx", TLS1_2_VERSION);
    for (i = 0; i < 4; i++) {
        char id[2] = { (char)('0' + i), 0 };
        shared[i] = make_session(NULL, TLS1_2_VERSION, id);
    }
    in_threads(add_and_remove);
    TRACE(added);
    TRACE(removed);
    TRACE(shared_added - shared_removed == SSL_CTX_sess_number(ctx));
    SSL_CTX_flush_sessions(ctx, 0);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(live_sessions());
    for (i = 0; i < 4; i++)
        SSL_SESSION_free(shared[i]);
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    return 0;
}
