/*
 * Worker processes, forked after their server's context was made, that make handshakes when told to. A client's
 * session goes between them and the parent as DER.
 */
#ifndef CTESTS_WORKERS_H
#define CTESTS_WORKERS_H

#include "early_data.h"
#include "fleet.h"
#include "keep_last.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int sessions_are_bare(void)
{
    return 1;
}

typedef struct {
    pid_t process;
    int orders, answers;
} Worker;

/* A client's session, or none. */
typedef struct {
    long length;
    unsigned char der[8192];
} Ticket;

enum { END, VISIT, VISIT_EARLY, VISIT_AND_BREAK, REMOVE_LAST, FLUSH, NUMBER, SET_SIZE, SET_TIMEOUT, OWN_DATA, LATE_DATA, CHANGE_LAST,
       FREE_CONTEXT, OPEN_TICKET_SHOP, OPEN_SHOP };

/* Without padding: it is written as it is. */
typedef struct {
    long what;
    long argument;
    Ticket ticket;
} Order;

typedef struct {
    long result;
    Ticket ticket;
} Answer;

static SSL_CTX *server, *client;
/* What CHANGE_LAST does to the server's side of the last handshake; set before the workers start. */
static int (*change_last)(SSL_SESSION *session, long how);

static void whole(ssize_t done, size_t wanted)
{
    NEED(done == (ssize_t)wanted);
}

static Ticket as_ticket(SSL_SESSION *session)
{
    static Ticket none;
    Ticket ticket = none;
    unsigned char *end = ticket.der;
    NEED(session == NULL || i2d_SSL_SESSION(session, NULL) <= (int)sizeof ticket.der);
    ticket.length = session == NULL ? 0 : i2d_SSL_SESSION(session, &end);
    return ticket;
}

static SSL_SESSION *from_ticket(const Ticket *ticket)
{
    const unsigned char *next = ticket->der;
    return ticket->length == 0 ? NULL : d2i_SSL_SESSION(NULL, &next, ticket->length);
}

/* What else is set on the server's context, or NULL; set before the workers start. */
static void (*furnish)(SSL_CTX *server);

/* Contexts for stateless tickets. */
static inline void open_ticket_shop(int version)
{
    server = with_tickets(server_context("server", version));
    if (furnish != NULL)
        furnish(server);
    client = with_tickets(client_context("client", version));
}

/* Contexts for sessions in the cache. */
static inline void open_shop(int version)
{
    server = server_context("server", version);
    client = client_context("client", version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_sess_set_new_cb(server, keep_last);
    if (furnish != NULL)
        furnish(server);
}

static long broken_visit(SSL_SESSION *offered)
{
    Pair pair = pair_new(client, server, offered);
    int reused = handshake(&pair) && SSL_session_reused(pair.server);
    /* Without close_notify the server takes its session for bad. */
    free_both(&pair);
    return reused;
}

static Answer obey(const Order *order)
{
    static int data_index = -1;
    Answer answer = { 0, as_ticket(NULL) };
    SSL_SESSION *offered = from_ticket(&order->ticket), *got = NULL;
    int reused = 0;
    switch (order->what) {
    case VISIT:
        got = visit_quietly(client, server, offered, &reused);
        answer.result = reused;
        break;
    case VISIT_EARLY:
        answer.result = offer_early_data(client, server, offered, &reused, &got);
        break;
    case VISIT_AND_BREAK:
        answer.result = broken_visit(offered);
        break;
    case REMOVE_LAST:
        answer.result = SSL_CTX_remove_session(server, last);
        break;
    case FLUSH:
        SSL_CTX_flush_sessions(server, order->argument);
        break;
    case NUMBER:
        answer.result = SSL_CTX_sess_number(server);
        break;
    case SET_SIZE:
        answer.result = SSL_CTX_sess_set_cache_size(server, order->argument);
        break;
    case SET_TIMEOUT:
        answer.result = SSL_SESSION_set_timeout(last, order->argument);
        break;
    case OWN_DATA:
    case LATE_DATA:
        if (data_index < 0)
            data_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        NEED(SSL_SESSION_set_ex_data(last, data_index, &data_index));
        if (order->what == OWN_DATA)
            answer.result = SSL_CTX_add_session(server, last);
        break;
    case CHANGE_LAST:
        NEED(change_last != NULL && change_last(last, order->argument));
        break;
    case OPEN_TICKET_SHOP:
        open_ticket_shop((int)order->argument);
        break;
    case OPEN_SHOP:
        open_shop((int)order->argument);
        met_by_agent();
        break;
    case FREE_CONTEXT:
        SSL_CTX_free(server);
        server = NULL;
        break;
    }
    answer.ticket = as_ticket(got);
    SSL_SESSION_free(got);
    SSL_SESSION_free(offered);
    return answer;
}

static inline Worker worker_start(void)
{
    int orders[2], answers[2];
    Worker worker;
    NEED(pipe(orders) == 0 && pipe(answers) == 0);
    fflush(stdout);
    worker.process = fork();
    NEED(worker.process >= 0);
    worker.orders = orders[1];
    worker.answers = answers[0];
    if (worker.process == 0) {
        Order order;
        close(orders[1]);
        close(answers[0]);
        alarm(60);
        while (read(orders[0], &order, sizeof order) == (ssize_t)sizeof order && order.what != END) {
            Answer answer = obey(&order);
            whole(write(answers[1], &answer, sizeof answer), sizeof answer);
        }
        SSL_SESSION_free(last);
        SSL_CTX_free(server);
        SSL_CTX_free(client);
        _exit(0);
    }
    close(orders[0]);
    close(answers[1]);
    return worker;
}

static inline void worker_end(const Worker *worker)
{
    static const Order end = { END, 0, { 0, "" } };
    int status;
    whole(write(worker->orders, &end, sizeof end), sizeof end);
    close(worker->orders);
    close(worker->answers);
    NEED(waitpid(worker->process, &status, 0) == worker->process && status == 0);
}

/* Gives an order that takes and leaves `ticket`, unless NULL; what came of it. */
static long worker_do(const Worker *worker, int what, long argument, Ticket *ticket)
{
    Order order = { what, argument, as_ticket(NULL) };
    Answer answer;
    if (ticket != NULL)
        order.ticket = *ticket;
    whole(write(worker->orders, &order, sizeof order), sizeof order);
    whole(read(worker->answers, &answer, sizeof answer), sizeof answer);
    if (ticket != NULL && answer.ticket.length > 0)
        *ticket = answer.ticket;
    return answer.result;
}

/* A ticket of a full handshake at a worker. */
static inline Ticket ticket_from(const Worker *worker)
{
    Ticket ticket = as_ticket(NULL);
    NEED(worker_do(worker, VISIT, 0, &ticket) == 0 && ticket.length > 0);
    return ticket;
}

/* Whether a ticket is resumed at a worker; the ticket is not exchanged for the next one. */
static inline long resumed_at(const Worker *worker, const Ticket *ticket)
{
    Ticket copy = *ticket;
    return worker_do(worker, VISIT, 0, &copy);
}

/* The same, once what a host tells its agent has reached the others, where there is an agent: what is asked for in vain is asked for
   again in the next second. */
static inline long resumed_soon(const Worker *worker, const Ticket *ticket, long wanted)
{
    int tries = getenv("SSLCACHE_AGENT") == NULL ? 0 : 300;
    if (tries > 0)
        usleep(50000);
    for (; tries > 0 && resumed_at(worker, ticket) != wanted; tries--)
        usleep(10000);
    return resumed_at(worker, ticket);
}

static inline void close_shop(void)
{
    SSL_SESSION_free(last);
    last = NULL;
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

#endif
