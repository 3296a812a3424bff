/*
 * Early data is accepted once also where a session has to stay in its process for the application's data, and where a
 * process was forked without fork handlers, of which its parent is not told.
 */
#include "workers.h"

#include <sys/syscall.h>

static int data_index;
static SSL_CTX *early;

static int add_data(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    NEED(SSL_SESSION_set_ex_data(session, data_index, &data_index));
    return 0;
}

static SSL_SESSION *begin(int with_data)
{
    SSL_SESSION *ticket;
    early = early_server("early");
    client = client_context("client", TLS1_3_VERSION);
    SSL_CTX_set_options(early, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(early, 1);
    if (with_data)
        SSL_CTX_sess_set_new_cb(early, add_data);
    ticket = visit_quietly(client, early, NULL, NULL);
    SSL_CTX_sess_set_new_cb(early, NULL);
    NEED(ticket != NULL);
    return ticket;
}

/* How often a ticket is accepted, by the child first, then by its parent. */
static int accepted(SSL_SESSION *ticket, pid_t (*forks)(void))
{
    Ticket der = as_ticket(ticket);
    SSL_SESSION *again;
    int status = 0, times;
    pid_t child;
    fflush(stdout);
    child = forks();
    NEED(child >= 0);
    if (child == 0)
        alarm(50);
    else
        NEED(waitpid(child, &status, 0) == child && WIFEXITED(status));
    again = from_ticket(&der);
    times = offer_early_data(client, early, again, NULL, NULL) == 1;
    SSL_SESSION_free(again);
    SSL_SESSION_free(ticket);
    SSL_CTX_free(early);
    SSL_CTX_free(client);
    if (child == 0)
        _exit(times);
    return times + WEXITSTATUS(status);
}

static pid_t without_handlers(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

int main(void)
{
    data_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    divergence("replay_over_fork", "%d", accepted(begin(0), fork));
    divergence("replay_over_fork_of_own_data", "%d", accepted(begin(1), fork));
    divergence("replay_over_fork_without_handlers", "%d", accepted(begin(0), without_handlers));
    return 0;
}
