/*
 * A remove callback that removes sessions itself, in a worker, or a context's ex_data that does as it goes: what the
 * worker only lets go, for want of room or with its context, stays for the others. SSL_CTX_sess_set_remove_cb(3); LIBSSL.md section 5, last paragraph.
 *
 * hangs: OpenSSL 1.1.1 (a worker of the plain run ends in a crash, once in a few runs)
 */
#include "workers.h"

static int inside;

static void remove_as_well(SSL_CTX *ctx, SSL_SESSION *session)
{
    if (inside)
        return;
    inside = 1;
    SSL_CTX_remove_session(ctx, session);
    SSL_CTX_remove_session(ctx, last);
    SSL_CTX_flush_sessions(ctx, 0);
    inside = 0;
}

static void remove_again(SSL_CTX *ctx, SSL_SESSION *session)
{
    if (inside)
        return;
    inside = 1;
    SSL_CTX_remove_session(ctx, session);
    inside = 0;
}

static int flushes;

static void flush_as_it_goes(void *ctx, void *value, CRYPTO_EX_DATA *data, int index, long argument, void *pointer)
{
    (void)value, (void)data, (void)index, (void)argument, (void)pointer;
    if (flushes)
        SSL_CTX_flush_sessions(ctx, 0);
}

int main(void)
{
    Worker a, b;
    Ticket tickets[3];
    /* Before the first context: it goes before what libraries have put there. */
    NEED(SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, flush_as_it_goes) > 0);
    open_shop(TLS1_2_VERSION);
    heading("evicted");
    SSL_CTX_sess_set_remove_cb(server, remove_again);
    a = worker_start();
    b = worker_start();
    /* Room for one in the first worker, for all in what they share. */
    worker_do(&a, SET_SIZE, 1, NULL);
    worker_do(&b, SET_SIZE, 100, NULL);
    tickets[0] = ticket_from(&a);
    tickets[1] = ticket_from(&a);
    divergence("workers_evict", "%ld %ld", resumed_at(&b, &tickets[0]), resumed_at(&b, &tickets[1]));
    worker_end(&a);
    worker_end(&b);

    heading("freed with the context");
    SSL_CTX_sess_set_remove_cb(server, remove_as_well);
    a = worker_start();
    b = worker_start();
    tickets[0] = ticket_from(&a);
    tickets[1] = ticket_from(&a);
    tickets[2] = ticket_from(&a);
    worker_do(&a, FREE_CONTEXT, 0, NULL);
    worker_end(&a);
    divergence("workers_free_context", "%ld %ld %ld", resumed_at(&b, &tickets[0]), resumed_at(&b, &tickets[1]),
               resumed_at(&b, &tickets[2]));
    worker_end(&b);

    heading("flushed as the context goes");
    SSL_CTX_sess_set_remove_cb(server, NULL);
    flushes = 1;
    a = worker_start();
    flushes = 0;
    b = worker_start();
    tickets[0] = ticket_from(&a);
    worker_do(&a, FREE_CONTEXT, 0, NULL);
    worker_end(&a);
    divergence("workers_flush_at_the_end", "%ld", resumed_at(&b, &tickets[0]));
    worker_end(&b);
    close_shop();
    return 0;
}
