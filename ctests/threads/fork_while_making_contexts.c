/*
 * A process forks again and again while its other threads make and free contexts: each child can go
 * on with a cache that none of them used. DESIGN.md, "fork is normal".
 *
 * The cache was used before, as what is prepared at the first use takes locks of libcrypto's here, which no child of a
 * process with threads can rely on. No session was marked not resumable before, and each child marks one.
 */
#include "children.h"

#define FORKS 200

static void child(void)
{
    alarm(5);
    if (SSL_CTX_sess_number(ctx) != 1 || SSL_CTX_add_session(ctx, session) != 1)
        _exit(1);
    if (SSL_CTX_add_session(ctx, session) != 0 || SSL_CTX_sess_number(ctx) != 2)
        _exit(2);
    SSL_SESSION_set_timeout(session, 1000);
    SSL_CTX_sess_set_cache_size(ctx, 5);
    if (SSL_CTX_remove_session(ctx, session) != 1 || SSL_SESSION_is_resumable(session) != 0)
        _exit(4);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    _exit(SSL_CTX_get_session_cache_mode(ctx) == SSL_SESS_CACHE_OFF ? 0 : 3);
}

static void *work(void *argument)
{
    while (argument != NULL && !atomic_load(&stop)) {
        SSL_CTX *other = SSL_CTX_new(TLS_server_method());
        NEED(other != NULL);
        SSL_CTX_free(other);
    }
    if (argument == NULL)
        children_in_turn(FORKS, child, &clean, &stop);
    return NULL;
}

int main(void)
{
    run_with_children(work, FORKS);
    return 0;
}
