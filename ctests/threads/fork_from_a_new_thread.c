/*
 * A thread that has not used libcrypto yet forks, while other threads use libcrypto for the first
 * time: the child can use the cache. libcrypto gives each thread its error queue under a lock, which
 * in the child stays locked for ever if another thread held it at the fork. DESIGN.md, "fork is
 * normal".
 */
#include "children.h"

#include <openssl/err.h>

#define FORKS 150

/* Takes the lock once. */
static void *use_libcrypto(void *argument)
{
    NEED(ERR_peek_error() == 0);
    return argument;
}

static void *fork_at_once(void *argument)
{
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        alarm(5);
        if (SSL_CTX_add_session(ctx, session) != 1 || SSL_CTX_sess_number(ctx) != 2)
            _exit(1);
        _exit(0);
    }
    count_if_clean(pid, &clean);
    return argument;
}

static void *in_a_new_thread(void *(*body)(void *))
{
    pthread_t thread;
    void *result;
    NEED(pthread_create(&thread, NULL, body, NULL) == 0);
    NEED(pthread_join(thread, &result) == 0);
    return result;
}

static void *work(void *argument)
{
    int i;
    while (argument != NULL && !atomic_load(&stop))
        in_a_new_thread(use_libcrypto);
    for (i = 0; argument == NULL && i < FORKS && clean == i; i++)
        in_a_new_thread(fork_at_once);
    atomic_store(&stop, 1);
    return NULL;
}

int main(void)
{
    run_with_children(work, FORKS);
    return 0;
}
