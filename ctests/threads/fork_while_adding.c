/*
 * A process forks again and again while its other threads add and remove: whatever they were doing,
 * each child's cache calls return, and either all work or, where a thread that was left behind held
 * the lock, all miss; but for a call now and then for which the shared memory has no time, as all threads want it.
 * DESIGN.md, "fork is normal"; COMPATIBILITY.md, fork_while_adding (divergence).
 *
 * All sessions are made before and held to the end: making or freeing one takes a lock of
 * libcrypto's, which no child of a process with threads can rely on.
 */
#include "threads.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORKS 40
#define EACH 200
/* Children of which one call may have had no time. */
#define ODD_MOST 2

static SSL_CTX *ctx;
static SSL_SESSION *sessions[THREADS][EACH];
static atomic_int stop, returned, odd;

/* Exits 0 where everything works, 1 where everything misses, with more where it is neither. */
static void child(SSL_SESSION *own)
{
    int works;
    alarm(5);
    works = SSL_CTX_add_session(ctx, own);
    if (SSL_CTX_add_session(ctx, own) != 0 || SSL_CTX_remove_session(ctx, own) != works)
        _exit(2);
    SSL_CTX_sess_set_cache_size(ctx, 5);
    if (SSL_CTX_add_session(ctx, own) != works)
        _exit(3);
    SSL_CTX_flush_sessions(ctx, 0);
    if (SSL_CTX_remove_session(ctx, own) != 0 || (works && SSL_CTX_sess_number(ctx) != 0))
        _exit(4);
    _exit(works ? 0 : 1);
}

static void fork_on(SSL_SESSION *own)
{
    int i;
    for (i = 0; i < FORKS && returned == i; i++) {
        int status;
        pid_t pid = fork();
        NEED(pid >= 0);
        if (pid == 0)
            child(own);
        NEED(waitpid(pid, &status, 0) == pid);
        if (WIFEXITED(status))
            atomic_fetch_add(&returned, 1);
        if (WIFEXITED(status) && WEXITSTATUS(status) > 1)
            atomic_fetch_add(&odd, 1);
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
    const int on_the_host = dlsym(RTLD_DEFAULT, "sslcache_version") == NULL;
    char id[32];
    int i;
    ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_CTX_sess_set_cache_size(ctx, 500);
    for (i = 0; i < THREADS * EACH; i++) {
        snprintf(id, sizeof id, "session %d", i);
        sessions[i / EACH][i % EACH] = make_session(NULL, TLS1_2_VERSION, id);
    }
    /* The host's children find its lock held by a thread that the fork left behind. 4.0.3 itself ends by a signal in one
       run of seven. */
    if (!on_the_host || OPENSSL_VERSION_MAJOR < 4)
        in_threads(work);
    divergence("fork_while_adding", "%s", returned == FORKS && odd <= ODD_MOST ? "every child" : "not every child");
    SSL_CTX_free(ctx);
    for (i = 0; i < THREADS * EACH; i++)
        SSL_SESSION_free(sessions[i / EACH][i % EACH]);
    TRACE(live_sessions());
    return 0;
}
