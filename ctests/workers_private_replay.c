/*
 * Early data is accepted once also where a session has to stay in its process for the application's data, and where a
 * process was forked without fork handlers, of which its parent is not told.
 */
#include "workers.h"

#include <sys/syscall.h>

static int data_index;
static SSL_CTX *early;
/* What each process adds again before it is offered; or NULL. */
static SSL_SESSION *refreshed;

static int add_data(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    NEED(SSL_SESSION_set_ex_data(session, data_index, &data_index));
    return 0;
}

static int add_data_and_keep(SSL *ssl, SSL_SESSION *session)
{
    refreshed = session;
    add_data(ssl, session);
    return 1;
}

static SSL_SESSION *begin(int (*announced)(SSL *, SSL_SESSION *))
{
    SSL_SESSION *ticket;
    early = early_server("early");
    client = client_context("client", TLS1_3_VERSION);
    SSL_CTX_set_options(early, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(early, 1);
    SSL_CTX_sess_set_new_cb(early, announced);
    ticket = visit_quietly(client, early, NULL, NULL);
    SSL_CTX_sess_set_new_cb(early, NULL);
    NEED(ticket != NULL);
    return ticket;
}

static int offer(const Ticket *der)
{
    SSL_SESSION *again = from_ticket(der);
    int accepted;
    if (refreshed != NULL)
        SSL_CTX_add_session(early, refreshed);
    accepted = offer_early_data(client, early, again, NULL, NULL) == 1;
    SSL_SESSION_free(again);
    return accepted;
}

static void await(int end)
{
    char byte;
    NEED(read(end, &byte, 1) == 1);
}

/* How often a ticket is accepted, by the child and by its parent; the other one first if it is `parents_turn`. */
static int accepted(SSL_SESSION *ticket, pid_t (*forks)(void), int parents_turn)
{
    Ticket der = as_ticket(ticket);
    int status = 0, times = 0, turn[2];
    pid_t child;
    fflush(stdout);
    NEED(pipe(turn) == 0);
    child = forks();
    NEED(child >= 0);
    if (child == 0) {
        alarm(50);
        if (parents_turn)
            await(turn[0]);
        times = offer(&der);
    } else {
        if (parents_turn)
            times = offer(&der);
        whole(write(turn[1], "", 1), 1);
        NEED(waitpid(child, &status, 0) == child && WIFEXITED(status));
        if (!parents_turn)
            times = offer(&der);
    }
    close(turn[0]);
    close(turn[1]);
    SSL_SESSION_free(ticket);
    SSL_SESSION_free(refreshed);
    refreshed = NULL;
    SSL_CTX_free(early);
    SSL_CTX_free(client);
    if (child == 0)
        _exit(times);
    return times + WEXITSTATUS(status);
}

static pid_t without_handlers(void)
{
#ifdef __s390x__ /* there the stack comes first */
    return (pid_t)syscall(SYS_clone, 0, SIGCHLD, 0, 0, 0);
#else
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

/* A child without handlers that forks as usual, and does nothing else. */
static pid_t by_way_of_a_child(void)
{
    pid_t child = without_handlers(), grandchild;
    int status;
    if (child != 0 || (grandchild = fork()) == 0)
        return child;
    NEED(waitpid(grandchild, &status, 0) == grandchild && WIFEXITED(status));
    _exit(WEXITSTATUS(status));
}

int main(void)
{
    data_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    divergence("replay_over_fork", "%d", accepted(begin(NULL), fork, 0));
    divergence("replay_over_fork_of_own_data", "%d", accepted(begin(add_data), fork, 0));
    divergence("replay_over_fork_of_own_data_added_again", "%d", accepted(begin(add_data_and_keep), fork, 0));
    divergence("replay_over_fork_without_handlers", "%d", accepted(begin(NULL), without_handlers, 0));
    divergence("replay_after_fork_without_handlers", "%d", accepted(begin(NULL), without_handlers, 1));
    divergence("replay_by_way_of_a_child_without_handlers", "%d", accepted(begin(NULL), by_way_of_a_child, 1));
    return 0;
}
