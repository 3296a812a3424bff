/*
 * A new callback that keeps each session (answers 1) and a remove callback that gives it back: in every process of a
 * tree what is kept is given back once, whatever others did to the session, and nothing else is given back.
 * SSL_CTX_sess_set_new_cb(3).
 */
#include "common.h"

#include <sys/wait.h>
#include <unistd.h>

int sessions_are_bare(void)
{
    return 1;
}

static SSL_CTX *server, *client;
static int balance;
static int pipes[2];

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl, (void)session;
    balance++;
    return 1;
}

static void give_back(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    balance--;
    SSL_SESSION_free(session);
}

static void send_session(SSL_SESSION *session)
{
    unsigned char der[4096], *end = der;
    int length = i2d_SSL_SESSION(session, &end);
    NEED(write(pipes[1], der, length) == length);
    SSL_SESSION_free(session);
}

static SSL_SESSION *received(void)
{
    unsigned char der[4096];
    const unsigned char *start = der;
    return d2i_SSL_SESSION(NULL, &start, read(pipes[0], der, sizeof der));
}

/* One handshake, whose server side is removed, broken off, or left alone at its end. */
enum { LEAVE, REMOVE, BREAK };

static SSL_SESSION *connection(SSL_SESSION *offered, int end)
{
    Pair pair = pair_new(client, server, offered);
    SSL_SESSION *session;
    NEED(handshake(&pair));
    session = SSL_get1_session(pair.client);
    if (end == REMOVE)
        SSL_CTX_remove_session(server, SSL_get_session(pair.server));
    if (end == BREAK)
        free_both(&pair);
    else
        close_cleanly(&pair);
    return session;
}

/* A session of one worker, used in another one, and what each has in the end. */
static void two_workers(const char *what, int version, int end, int flushes)
{
    SSL_SESSION *session;
    int status, made = balance;
    int turns[2];
    pid_t first;
    NEED(pipe(turns) == 0);
    fflush(stdout);
    first = fork();
    if (first == 0) {
        char turn;
        send_session(connection(NULL, LEAVE));
        NEED(read(turns[0], &turn, 1) == 1);
        /* It asks for what the other one has removed. */
        SSL_SESSION_free(connection(NULL, LEAVE));
        if (flushes)
            SSL_CTX_flush_sessions(server, 0);
        SSL_CTX_free(server);
        _exit(balance == 0 ? 0 : 1);
    }
    session = received();
    if (fork() == 0) {
        SSL_SESSION_free(connection(session, end));
        SSL_SESSION_free(connection(session, LEAVE));
        SSL_SESSION_free(session);
        if (flushes)
            SSL_CTX_flush_sessions(server, 0);
        SSL_CTX_free(server);
        _exit(balance == 0 ? 0 : 1);
    }
    NEED(wait(&status) > 0);
    printf("%#x, %s: second worker %s", (unsigned)version, what, status == 0 ? "balanced" : "not balanced");
    NEED(write(turns[1], "", 1) == 1);
    NEED(waitpid(first, &status, 0) == first);
    printf(", first worker %s, parent has %d more\n", status == 0 ? "balanced" : "not balanced", balance - made);
    close(turns[0]);
    close(turns[1]);
    SSL_SESSION_free(session);
}

static void run(int version)
{
    SSL_SESSION *before;
    balance = 0;
    client = client_context("client", version);
    server = server_context("server", version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_sess_set_new_cb(server, keep);
    SSL_CTX_sess_set_remove_cb(server, give_back);
    before = connection(NULL, LEAVE);
    two_workers("left alone", version, LEAVE, 0);
    two_workers("flushed", version, LEAVE, 1);
    two_workers("removed", version, REMOVE, 0);
    two_workers("broken off", version, BREAK, 0);
    /* What children have inherited and used. */
    if (fork() == 0) {
        SSL_SESSION_free(connection(before, REMOVE));
        SSL_CTX_free(server);
        _exit(balance == 0 ? 0 : 1);
    } else {
        int status;
        NEED(wait(&status) > 0);
        printf("inherited: %s\n", status == 0 ? "balanced" : "not balanced");
    }
    SSL_SESSION_free(connection(before, LEAVE));
    SSL_SESSION_free(before);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    printf("parent %d\n", balance);
}

int main(void)
{
    make_certificate();
    NEED(pipe(pipes) == 0);
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    return 0;
}
