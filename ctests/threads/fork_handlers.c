/*
 * A program's own fork handlers: before a fork one waits for the lock that guards the program's use
 * of the cache, and in the child one uses the cache. Nothing of ours may be held meanwhile, whether
 * the handlers were registered before the first context or after it. pthread_atfork(3).
 */
#include "threads.h"

#include <unistd.h>

#define FORKS 100
#define EACH 20

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static SSL_CTX *ctx;
static SSL_SESSION *sessions[THREADS][EACH];
static atomic_int stop, clean, in_child;

static void lock(void)
{
    NEED(pthread_mutex_lock(&guard) == 0);
}

static void unlock(void)
{
    NEED(pthread_mutex_unlock(&guard) == 0);
}

/* In the child, registered before the first context. */
static void unlock_and_use(void)
{
    alarm(5);
    unlock();
    SSL_CTX_sess_set_cache_size(ctx, 100);
    SSL_CTX_flush_sessions(ctx, 0);
    in_child += SSL_CTX_add_session(ctx, sessions[0][0]) == 1;
}

/* In the child, registered after it, and so called after the other. */
static void use_again(void)
{
    in_child += SSL_CTX_add_session(ctx, sessions[0][0]) == 0;
}

static void child(void)
{
    _exit(in_child == 2 ? 0 : 1);
}

static void *work(void *argument)
{
    SSL_SESSION **own = sessions[(long)argument];
    int i;
    if (argument == NULL)
        children_in_turn(FORKS, child, &clean, &stop);
    for (i = 0; argument != NULL && !atomic_load(&stop); i++) {
        lock();
        SSL_CTX_add_session(ctx, own[i % EACH]);
        SSL_CTX_remove_session(ctx, own[i % EACH]);
        unlock();
        /* Not the next again at once, or the forking thread never has its turn. */
        usleep(10);
    }
    return NULL;
}

int main(void)
{
    char id[32];
    int i;
    NEED(pthread_atfork(lock, unlock, unlock_and_use) == 0);
    ctx = server_context("ctx", TLS1_2_VERSION);
    NEED(pthread_atfork(NULL, NULL, use_again) == 0);
    for (i = 0; i < THREADS * EACH; i++) {
        snprintf(id, sizeof id, "session %d", i);
        sessions[i / EACH][i % EACH] = make_session(NULL, TLS1_2_VERSION, id);
    }
    in_threads(work);
    printf("children that ended well: %d of %d\n", atomic_load(&clean), FORKS);
    SSL_CTX_free(ctx);
    for (i = 0; i < THREADS * EACH; i++)
        SSL_SESSION_free(sessions[i / EACH][i % EACH]);
    TRACE(live_sessions());
    return 0;
}
