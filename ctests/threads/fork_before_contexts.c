/*
 * Before a program makes a context it may set the times of sessions, in several threads, and fork: the children make contexts, and
 * wait for none of the threads that they do not have. DESIGN.md, "fork is normal".
 */
#include "threads.h"

#include <unistd.h>

#define FORKS 200

static SSL_SESSION *sessions[THREADS];
static atomic_int stop, clean;

static void child(void)
{
    SSL_CTX *ctx;
    alarm(5);
    if (SSL_SESSION_set_time(sessions[0], time(NULL)) == 0)
        _exit(1);
    ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || SSL_CTX_add_session(ctx, sessions[0]) != 1 || SSL_SESSION_set_timeout(sessions[0], 100) != 1)
        _exit(2);
    _exit(SSL_CTX_sess_number(ctx) == 1 ? 0 : 3);
}

static void *work(void *argument)
{
    while (argument != NULL && !atomic_load(&stop))
        SSL_SESSION_set_time(sessions[(long)argument], time(NULL));
    if (argument == NULL)
        children_in_turn(FORKS, child, &clean, &stop);
    return NULL;
}

int main(void)
{
    int i;
    for (i = 0; i < THREADS; i++)
        sessions[i] = make_session(NULL, TLS1_2_VERSION, "of a thread");
    fflush(stdout);
    in_threads(work);
    printf("children that ended well: %d of %d\n", atomic_load(&clean), FORKS);
    for (i = 0; i < THREADS; i++)
        SSL_SESSION_free(sessions[i]);
    TRACE(live_sessions());
    return 0;
}
