/*
 * A worker that is stopped while it hands over what was cached before the fork: another one gives up waiting, and what
 * it then removes stays removed when the first goes on. DESIGN.md, "Shared memory".
 */
#include "workers.h"

#include <poll.h>
#include <signal.h>

/* Those with data of the application's stay in the worker that hands over. */
enum { SESSIONS = 80, WITH_DATA = SESSIONS / 2 };
static Ticket tickets[SESSIONS];
static int data_index;
static volatile sig_atomic_t stops;

/* There is room for one that stays; so this is called while the second one is moved to those. */
static void stop(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    (void)session;
    if (stops)
        raise(SIGSTOP);
}

static void go_on(int number)
{
    (void)number;
    stops = 0;
}

static void fill(void)
{
    int i;
    open_shop(TLS1_2_VERSION);
    SSL_CTX_sess_set_remove_cb(server, stop);
    for (i = 0; i < SESSIONS; i++) {
        SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
        tickets[i] = as_ticket(session);
        SSL_SESSION_free(session);
        if (i < WITH_DATA)
            NEED(SSL_SESSION_set_ex_data(last, data_index, &data_index));
    }
}

static long resumed_of_the_others(const Worker *worker)
{
    long resumed = 0;
    int i;
    for (i = WITH_DATA; i < SESSIONS; i++)
        resumed += resumed_at(worker, &tickets[i]);
    return resumed;
}

/* Waits until a worker is stopped or, as on the host, has answered; neither takes long. Whether it is stopped. */
static int await_stop(const Worker *worker)
{
    struct pollfd answers = { worker->answers, POLLIN, 0 };
    int status;
    while (poll(&answers, 1, 10) == 0)
        if (waitpid(worker->process, &status, WNOHANG | WUNTRACED) == worker->process) {
            NEED(WIFSTOPPED(status));
            return 1;
        }
    return 0;
}

int main(void)
{
    static const Order number = { NUMBER, 0, { 0, "" } };
    Worker a, b;
    Answer answer;
    data_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    fill();
    SSL_CTX_sess_set_cache_size(server, 1);
    NEED(signal(SIGCONT, go_on) != SIG_ERR);
    stops = 1;
    a = worker_start();
    stops = 0;
    b = worker_start();
    whole(write(a.orders, &number, sizeof number), sizeof number);
    divergence("stopped_while_handing_over", "%d", await_stop(&a));

    worker_do(&b, NUMBER, 0, NULL);
    sleep(3);
    worker_do(&b, SET_SIZE, 2 * SESSIONS, NULL);
    worker_do(&b, FLUSH, 0, NULL);
    NEED(kill(a.process, SIGCONT) == 0);
    whole(read(a.answers, &answer, sizeof answer), sizeof answer);
    printf("after the flush: %ld\n", resumed_of_the_others(&b));
    worker_end(&a);
    worker_end(&b);
    close_shop();
    return 0;
}
