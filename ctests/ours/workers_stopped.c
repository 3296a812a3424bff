/*
 * A worker is stopped while it has a lock of the memory that all share. Meanwhile another one gives a session data of
 * the application's, so that it has to stay there. It cannot be had out of the shared memory: nobody finds it there from
 * then on, and as somebody may have been taking it at that moment, its own worker does not use it up, either.
 */
#include "workers.h"

#include <signal.h>
#include "sslcache.h"

static volatile sig_atomic_t over;

static void end(int number)
{
    (void)number;
    over = 1;
}

/* A look that needs the lock: the id is nobody's. */
static void look(SSL *ssl)
{
    static const unsigned char id[32] = "nobody";
    NEED(SSL_has_matching_session_id(ssl, id, sizeof id) == 0);
}

static unsigned long time_outs(void)
{
    struct sslcache_stats stats;
    NEED(sslcache_stats(server, &stats, sizeof stats) == 1);
    return (unsigned long)stats.region_time_outs;
}

static int is_locked(SSL *ssl)
{
    unsigned long before = time_outs();
    look(ssl);
    return time_outs() > before;
}

static pid_t busy_worker(SSL *ssl)
{
    pid_t worker = fork();
    NEED(worker >= 0);
    if (worker == 0) {
        alarm(60);
        NEED(signal(SIGTERM, end) != SIG_ERR);
        while (!over)
            look(ssl);
        SSL_free(ssl);
        close_shop();
        _exit(0);
    }
    return worker;
}

/* Stops it with the lock; it hardly does anything but take it. */
static void stop_with_lock(pid_t worker, SSL *ssl)
{
    int status;
    for (;;) {
        usleep(100);
        NEED(kill(worker, SIGSTOP) == 0);
        NEED(waitpid(worker, &status, WUNTRACED) == worker && WIFSTOPPED(status));
        if (is_locked(ssl))
            return;
        NEED(kill(worker, SIGCONT) == 0);
    }
}

int main(void)
{
    Worker a, b;
    Ticket ticket, again;
    SSL *ssl;
    pid_t busy;
    int status;
    alarm(60);
    open_shop(TLS1_3_VERSION);
    NEED(SSL_CTX_set_max_early_data(server, 16384));
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_sess_set_cache_size(server, 100);
    ssl = SSL_new(server);
    a = worker_start();
    b = worker_start();
    ticket = again = ticket_from(&a);
    NEED(worker_do(&b, NUMBER, 0, NULL) == 1);

    busy = busy_worker(ssl);
    stop_with_lock(busy, ssl);
    printf("added: %ld\n", worker_do(&a, OWN_DATA, 0, NULL));
    NEED(kill(busy, SIGTERM) == 0 && kill(busy, SIGCONT) == 0);
    NEED(waitpid(busy, &status, 0) == busy && status == 0);
    printf("elsewhere: %ld\n", worker_do(&b, VISIT_EARLY, 0, &ticket));
    printf("at its worker: %ld\n", worker_do(&a, VISIT_EARLY, 0, &again));
    worker_end(&a);
    worker_end(&b);
    SSL_free(ssl);
    close_shop();
    return 0;
}
