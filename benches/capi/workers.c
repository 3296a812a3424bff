/* A server of several worker processes whose clients come back: what its processors do for a connection. */
#include "bench.h"
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 50, MOST_WORKERS = 64 };

struct worker {
    pid_t process;
    int listening;
    struct sockaddr_un address;
    socklen_t length;
};

/* A socket of a name that the system hands out. */
static struct worker worker_new(void)
{
    struct worker worker = { .length = sizeof worker.address, .address.sun_family = AF_UNIX };
    worker.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    NEED(worker.listening >= 0);
    NEED(bind(worker.listening, (struct sockaddr *)&worker.address, sizeof worker.address.sun_family) == 0);
    NEED(getsockname(worker.listening, (struct sockaddr *)&worker.address, &worker.length) == 0);
    NEED(listen(worker.listening, 16) == 0);
    return worker;
}

static void serve(SSL_CTX *ctx, int listening)
{
    for (;;) {
        int fd = accept(listening, NULL, NULL);
        SSL *ssl = SSL_new(ctx);
        char byte;
        NEED(fd >= 0 && ssl != NULL && SSL_set_fd(ssl, fd));
        NEED(SSL_accept(ssl) == 1);
        NEED(SSL_write(ssl, "!", 1) == 1 && SSL_read(ssl, &byte, 1) == 1);
        SSL_shutdown(ssl);
        SSL_free(ssl);
        close(fd);
    }
}

static int visit(SSL_CTX *ctx, const struct worker *worker, SSL_SESSION **session)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), resumed;
    SSL *ssl = SSL_new(ctx);
    char byte;
    NEED(fd >= 0 && ssl != NULL && connect(fd, (const struct sockaddr *)&worker->address, worker->length) == 0);
    NEED(SSL_set_fd(ssl, fd) && SSL_set_app_data(ssl, session));
    if (*session != NULL)
        NEED(SSL_set_session(ssl, *session));
    NEED(SSL_connect(ssl) == 1);
    resumed = SSL_session_reused(ssl);
    NEED(SSL_read(ssl, &byte, 1) == 1 && SSL_write(ssl, "!", 1) == 1);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    return resumed;
}

/* workers=N, tls=12 or 13, visits: clients that come to any worker and offer the session that they were given last.
 * Connections for each second that the workers have been running on a processor. */
void measure_workers(void)
{
    int workers = option("workers", 4), version = option("tls", 12) == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    long visits = option("visits", 4000), resumed = 0;
    uint64_t random = seed();
    SSL_CTX *client = client_context(version);
    SSL_CTX *server = server_context(version, SSL_SESSION_CACHE_MAX_SIZE_DEFAULT, EVP_RSA_gen(2048));
    SSL_SESSION *sessions[CLIENTS] = { NULL };
    struct worker all[MOST_WORKERS];
    struct rusage used;
    NEED(workers > 0 && workers <= MOST_WORKERS);
    for (int i = 0; i < workers; i++) {
        all[i] = worker_new();
        all[i].process = fork();
        NEED(all[i].process >= 0);
        if (all[i].process == 0) {
            alarm(300);
            serve(server, all[i].listening);
        }
        close(all[i].listening);
    }
    for (long i = 0; i < visits; i++)
        resumed += visit(client, &all[next_random(&random) % workers], &sessions[i % CLIENTS]);
    for (int i = 0; i < workers; i++) {
        int status;
        kill(all[i].process, SIGTERM);
        NEED(waitpid(all[i].process, &status, 0) == all[i].process);
        NEED(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    }
    NEED(getrusage(RUSAGE_CHILDREN, &used) == 0);
    report_number("per_cpu_second", visits / (used.ru_utime.tv_sec + used.ru_stime.tv_sec
                                              + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6));
    report_number("resumed_share", (double)resumed / visits);
}
