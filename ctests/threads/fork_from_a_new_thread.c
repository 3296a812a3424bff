/*
 * A thread that has not used libcrypto yet forks, while other threads use libcrypto for the first
 * time: the child can use the cache. libcrypto gives each thread its error queue under a lock, which
 * in the child stays locked for ever if another thread held it at the fork. DESIGN.md, "fork is
 * normal".
 */
#include "threads.h"

#include <openssl/err.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORKS 150

static SSL_CTX *ctx;
static SSL_SESSION *first, *session;
static atomic_int stop, clean;

/* Takes the lock once. */
static void *use_libcrypto(void *argument)
{
    NEED(ERR_peek_error() == 0);
    return argument;
}

static void *fork_at_once(void *argument)
{
    int status;
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        alarm(5);
        if (SSL_CTX_add_session(ctx, session) != 1 || SSL_CTX_sess_number(ctx) != 2)
            _exit(1);
        _exit(0);
    }
    NEED(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        atomic_fetch_add(&clean, 1);
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
    ctx = server_context("ctx", TLS1_2_VERSION);
    first = make_session(NULL, TLS1_2_VERSION, "first");
    session = make_session(NULL, TLS1_2_VERSION, "a");
    NEED(SSL_CTX_add_session(ctx, first) == 1);
    in_threads(work);
    printf("children that ended well: %d of %d\n", atomic_load(&clean), FORKS);
    SSL_SESSION_free(first);
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
    return 0;
}
