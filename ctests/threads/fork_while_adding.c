/*
 * A process forks again and again while its other threads add and remove: each child can use the
 * cache, whatever they were doing. DESIGN.md, "fork is normal".
 *
 * All sessions are made before and held to the end: making or freeing one takes a lock of
 * libcrypto's, which no child of a process with threads can rely on.
 */
#include "threads.h"

#include <sys/wait.h>
#include <unistd.h>

#define FORKS 40
#define EACH 200

static SSL_CTX *ctx;
static SSL_SESSION *sessions[THREADS][EACH];
static atomic_int stop, clean;

static void child(SSL_SESSION *own)
{
    alarm(5);
    if (SSL_CTX_add_session(ctx, own) != 1 || SSL_CTX_add_session(ctx, own) != 0)
        _exit(1);
    if (SSL_CTX_sess_number(ctx) < 1 || SSL_CTX_remove_session(ctx, own) != 1)
        _exit(2);
    SSL_CTX_sess_set_cache_size(ctx, 5);
    if (SSL_CTX_add_session(ctx, own) != 1)
        _exit(3);
    SSL_CTX_flush_sessions(ctx, 0);
    _exit(SSL_CTX_sess_number(ctx) == 0 ? 0 : 4);
}

static void fork_on(SSL_SESSION *own)
{
    int i;
    for (i = 0; i < FORKS && clean == i; i++) {
        int status;
        pid_t pid = fork();
        NEED(pid >= 0);
        if (pid == 0)
            child(own);
        NEED(waitpid(pid, &status, 0) == pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            atomic_fetch_add(&clean, 1);
    }
    atomic_store(&stop, 1);
}

static void *work(void *argument)
{
    SSL_SESSION **own = sessions[(long)argument];
    int i;
    if (argument == NULL) {
        fork_on(own[0]);
        return NULL;
    }
    for (i = 0; !atomic_load(&stop); i++) {
        SSL_CTX_add_session(ctx, own[i % EACH]);
        if (i % 3 == 0)
            SSL_CTX_remove_session(ctx, own[i % EACH]);
        if (i % 100 == 0)
            SSL_CTX_flush_sessions(ctx, time(NULL));
    }
    return NULL;
}

int main(void)
{
    char id[32];
    int i;
    ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_CTX_sess_set_cache_size(ctx, 500);
    for (i = 0; i < THREADS * EACH; i++) {
        snprintf(id, sizeof id, "session %d", i);
        sessions[i / EACH][i % EACH] = make_session(NULL, TLS1_2_VERSION, id);
    }
    in_threads(work);
    /* The host's children find its lock held by a thread that the fork left behind. */
    divergence("fork_while_adding", "%s", clean == FORKS ? "every child" : "not every child");
    SSL_CTX_free(ctx);
    for (i = 0; i < THREADS * EACH; i++)
        SSL_SESSION_free(sessions[i / EACH][i % EACH]);
    TRACE(live_sessions());
    return 0;
}
