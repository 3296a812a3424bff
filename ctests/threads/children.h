/*
 * Children that are forked by one thread while the others go on. The cache has a session before, and each child adds
 * another one and counts them.
 */
#ifndef CTESTS_CHILDREN_H
#define CTESTS_CHILDREN_H

#include "threads.h"

#include <unistd.h>

static SSL_CTX *ctx;
static SSL_SESSION *first, *session;
static atomic_int stop, clean;

static void run_with_children(void *(*work)(void *), int forks)
{
    ctx = server_context("ctx", TLS1_2_VERSION);
    first = make_session(NULL, TLS1_2_VERSION, "first");
    session = make_session(NULL, TLS1_2_VERSION, "a");
    NEED(SSL_CTX_add_session(ctx, first) == 1);
    in_threads(work);
    printf("children that ended well: %d of %d\n", atomic_load(&clean), forks);
    SSL_SESSION_free(first);
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
}

#endif
