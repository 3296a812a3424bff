/*
 * A server that was forked itself forks again and again while its other threads remove sessions: each child makes a context
 * of its own, and a session that it removes from there is marked. DESIGN.md, "fork is normal".
 */
#include "threads.h"

#include <unistd.h>

#define FORKS 60

static SSL_CTX *ctx;
static SSL_SESSION *sessions[THREADS], *of_child;
static atomic_int stop, clean;

static void child(void)
{
    SSL_CTX *own = SSL_CTX_new(TLS_server_method());
    alarm(5);
    if (own == NULL || SSL_CTX_add_session(own, of_child) != 1 || SSL_CTX_remove_session(own, of_child) != 1)
        _exit(1);
    _exit(SSL_SESSION_is_resumable(of_child) == 0 ? 0 : 2);
}

static void *work(void *argument)
{
    while (argument != NULL && !atomic_load(&stop))
        SSL_CTX_remove_session(ctx, sessions[(long)argument]);
    if (argument == NULL)
        children_in_turn(FORKS, child, &clean, &stop);
    return NULL;
}

int main(void)
{
    pid_t server;
    int i, status;
    ctx = server_context("ctx", TLS1_2_VERSION);
    of_child = make_session(NULL, TLS1_2_VERSION, "of a child");
    for (i = 0; i < THREADS; i++)
        sessions[i] = make_session(NULL, TLS1_2_VERSION, "of a thread");
    fflush(stdout);
    server = fork();
    NEED(server >= 0);
    if (server == 0) {
        in_threads(work);
        printf("children whose session was marked: %d of %d\n", atomic_load(&clean), FORKS);
        fflush(stdout);
        _exit(0);
    }
    NEED(waitpid(server, &status, 0) == server && status == 0);
    for (i = 0; i < THREADS; i++)
        SSL_SESSION_free(sessions[i]);
    SSL_SESSION_free(of_child);
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
    return 0;
}
