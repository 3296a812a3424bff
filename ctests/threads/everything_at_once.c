/*
 * Adds, removals, flushes, resizes, counts and a remove callback at the same time: what was added is
 * in the end either still there or went through the callback once. LIBSSL.md section 5.
 */
#include "threads.h"

#define ROUNDS 500

static SSL_CTX *ctx;
static atomic_long added, called;

static void count(SSL_CTX *context, SSL_SESSION *session)
{
    (void)context, (void)session;
    atomic_fetch_add(&called, 1);
}

static void *work(void *argument)
{
    long thread = (long)argument;
    char id[32];
    int i;
    for (i = 0; i < ROUNDS; i++) {
        SSL_SESSION *session;
        switch (thread) {
        case 0:
            SSL_CTX_flush_sessions(ctx, i % 10 == 0 ? 0 : 500000 + i);
            break;
        case 1:
            SSL_CTX_sess_set_cache_size(ctx, i % 2 == 0 ? 40 : 400);
            NEED(SSL_CTX_sess_number(ctx) >= 0 && SSL_CTX_sess_cache_full(ctx) >= 0);
            break;
        default:
            snprintf(id, sizeof id, "thread %ld, %d", thread, i);
            session = make_session(NULL, TLS1_2_VERSION, id);
            SSL_SESSION_set_time(session, 500000);
            SSL_SESSION_set_timeout(session, i);
            atomic_fetch_add(&added, SSL_CTX_add_session(ctx, session));
            SSL_SESSION_free(session);
            break;
        }
    }
    return NULL;
}

int main(void)
{
    ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_CTX_sess_set_remove_cb(ctx, count);
    in_threads(work);
    TRACE(added);
    TRACE(called + SSL_CTX_sess_number(ctx));
    TRACE(live_sessions() == SSL_CTX_sess_number(ctx));
    SSL_CTX_flush_sessions(ctx, 0);
    TRACE(called);
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    return 0;
}
