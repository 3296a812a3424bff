/*
 * Clients that come back: in one process, to contexts made anew, to a worker. It tells what has to be the same whatever fails
 * (each handshake succeeds, nothing is leaked), how many clients were resumed, and how many misses and failures were counted.
 *
 * shim.c makes the calls of sslcache fail; faults_live is its.
 */
#include "common.h"
#include "sslcache.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS_BEFORE = 2, ROUNDS = 2, CLIENTS = 2 };

extern long faults_live(void) __attribute__((weak));
#pragma weak sslcache_stats

int sessions_are_bare(void)
{
    return 1;
}

static int handshakes, resumed;
static long counted;
static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static long descriptors(void)
{
    long number = 0;
    DIR *folder = opendir("/proc/self/fd");
    NEED(folder != NULL);
    while (readdir(folder) != NULL)
        number++;
    closedir(folder);
    return number;
}

static SSL_SESSION *come(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *offered)
{
    int reused = 0;
    SSL_SESSION *given = visit_quietly(client, server, offered, &reused);
    NEED(given != NULL);
    SSL_SESSION_free(offered);
    handshakes++;
    resumed += reused;
    return given;
}

/* Each client comes, comes back, and comes back after a look at the whole cache. */
static void serve(SSL_CTX *server, int version)
{
    SSL_CTX *client = client_context("client", version);
    for (int i = 0; i < CLIENTS; i++) {
        SSL_SESSION *session = come(client, server, NULL);
        session = come(client, server, session);
        SSL_CTX_sessions(server);
        SSL_CTX_flush_sessions(server, (long)time(NULL));
        session = come(client, server, session);
        SSL_SESSION *copy = decoded_copy(session);
        SSL_CTX_add_session(server, copy);
        SSL_CTX_remove_session(server, copy);
        SSL_SESSION_free(copy);
        SSL_SESSION_free(session);
    }
    SSL_CTX_free(client);
}

/* A worker serves a client of its parent. */
static void serve_in_worker(SSL_CTX *server, int version)
{
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session = come(client, server, NULL);
    pid_t worker = fork();
    NEED(worker >= 0);
    if (worker == 0) {
        int before = resumed;
        session = come(client, server, session);
        struct sslcache_stats stats;
        int has_counted = sslcache_stats != NULL && sslcache_stats(server, &stats, sizeof stats) && stats.misses + stats.failures > 0;
        _exit((resumed > before) | has_counted << 1);
    }
    int status;
    NEED(waitpid(worker, &status, 0) == worker && WIFEXITED(status) && WEXITSTATUS(status) <= 3);
    handshakes++;
    resumed += WEXITSTATUS(status) & 1;
    counted += WEXITSTATUS(status) >> 1;
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
}

static void round_of_visits(void)
{
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        for (int tickets = 0; tickets < 2; tickets++) {
            SSL_CTX *server = server_context("server", versions[i]);
            if (tickets)
                with_tickets(server);
            serve(server, versions[i]);
            serve_in_worker(server, versions[i]);
            struct sslcache_stats stats;
            if (sslcache_stats != NULL && sslcache_stats(server, &stats, sizeof stats))
                counted += stats.misses + stats.failures;
            SSL_CTX_free(server);
        }
    }
}

int main(void)
{
    make_certificate();
    for (int i = 0; i < ROUNDS_BEFORE; i++)
        round_of_visits();
    long live = faults_live == NULL ? 0 : faults_live(), open = descriptors();
    for (int i = 0; i < ROUNDS; i++)
        round_of_visits();
    printf("handshakes %d\n", handshakes);
    printf("descriptors left open %ld\n", descriptors() - open);
    printf("pieces of memory kept %ld\n", (faults_live == NULL ? 0 : faults_live()) - live);
    printf("errors left %lu\n", ERR_peek_error());
    printf("resumed %d\n", resumed);
    printf("counted %ld\n", counted);
    return 0;
}
