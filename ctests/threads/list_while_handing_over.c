/*
 * After a fork what a context has goes from its own cache to where it is shared, or stays in the process; threads that
 * ask for the table of SSL_CTX_sessions, or for the number of sessions, meanwhile miss none of it. Each round is another
 * context, which is forked once.
 */
#include "threads.h"

#include <openssl/lhash.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 60
#define SESSIONS 40

static SSL_CTX *ctx;
static atomic_int stop, tables, numbers;

static void *work(void *argument)
{
    int status;
    if (argument != NULL) {
        while (!atomic_load(&stop)) {
            OPENSSL_LHASH *table = (OPENSSL_LHASH *)SSL_CTX_sessions(ctx);
            if (table == NULL || OPENSSL_LH_num_items(table) != SESSIONS)
                atomic_fetch_add(&tables, 1);
            if (SSL_CTX_sess_number(ctx) != SESSIONS)
                atomic_fetch_add(&numbers, 1);
        }
        return NULL;
    }
    usleep(200);
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0)
        _exit(0);
    NEED(waitpid(pid, &status, 0) == pid);
    atomic_store(&stop, 1);
    return NULL;
}

int main(void)
{
    SSL_SESSION *sessions[SESSIONS];
    int round, i;
    for (i = 0; i < SESSIONS; i++) {
        char id[32];
        snprintf(id, sizeof id, "session %d", i);
        sessions[i] = make_session(NULL, TLS1_2_VERSION, id);
    }
    for (round = 0; round < ROUNDS; round++) {
        ctx = server_context("ctx", TLS1_2_VERSION);
        for (i = 0; i < SESSIONS; i++)
            NEED(SSL_CTX_add_session(ctx, sessions[i]) == 1);
        atomic_store(&stop, 0);
        in_threads(work);
        SSL_CTX_free(ctx);
    }
    TRACE(tables);
    TRACE(numbers);
    for (i = 0; i < SESSIONS; i++)
        SSL_SESSION_free(sessions[i]);
    TRACE(live_sessions());
    return 0;
}
