/*
 * A process forks again and again while its other threads ask for the table of SSL_CTX_sessions:
 * each child can ask for it, too, and free the context. DESIGN.md, "fork is normal".
 */
#include "threads.h"

#include <openssl/lhash.h>
#include <unistd.h>

#define FORKS 150
#define SESSIONS 20

static SSL_CTX *ctx;
static atomic_int stop, clean;

/* -1 without a table. */
static long items(void)
{
    OPENSSL_LHASH *table = (OPENSSL_LHASH *)SSL_CTX_sessions(ctx);
    return table == NULL ? -1 : (long)OPENSSL_LH_num_items(table);
}

static void child(int number)
{
    alarm(5);
    /* divergence: what a thread was just looking into is lost to the child; COMPATIBILITY.md,
     * "fork_while_adding". */
    if (number % 2 == 0 && items() > SESSIONS)
        _exit(1);
    SSL_CTX_free(ctx);
    _exit(0);
}

static void *work(void *argument)
{
    int i;
    if (argument != NULL) {
        while (!atomic_load(&stop))
            NEED(items() == SESSIONS);
        return NULL;
    }
    for (i = 0; i < FORKS && clean == i; i++) {
        pid_t pid = fork();
        NEED(pid >= 0);
        if (pid == 0)
            child(i);
        count_if_clean(pid, &clean);
    }
    atomic_store(&stop, 1);
    return NULL;
}

int main(void)
{
    SSL_SESSION *sessions[SESSIONS];
    char id[32];
    int i;
    ctx = server_context("ctx", TLS1_2_VERSION);
    for (i = 0; i < SESSIONS; i++) {
        snprintf(id, sizeof id, "session %d", i);
        sessions[i] = make_session(NULL, TLS1_2_VERSION, id);
        NEED(SSL_CTX_add_session(ctx, sessions[i]) == 1);
    }
    in_threads(work);
    printf("children that ended well: %d of %d\n", atomic_load(&clean), FORKS);
    SSL_CTX_free(ctx);
    for (i = 0; i < SESSIONS; i++)
        SSL_SESSION_free(sessions[i]);
    TRACE(live_sessions());
    return 0;
}
