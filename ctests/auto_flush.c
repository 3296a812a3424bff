/*
 * Expired sessions are flushed every 255 good handshakes, unless NO_AUTO_CLEAR is set.
 * SSL_CTX_set_session_cache_mode(3): "Normally the session cache is checked for expired sessions
 * every 255 connections". In a forked process, too, and of sessions with the application's own data, as all
 * are here.
 */
#include "common.h"

#include <sys/wait.h>
#include <unistd.h>

static int removed;

static int born_expired(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_set_time(session, time(NULL) - 100000);
    return 0;
}

static void count(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)ctx;
    removed += !SSL_SESSION_is_resumable(session);
}

static void connect_often(SSL_CTX *server, SSL_CTX *client, SSL_CTX *watched, long mode)
{
    int i;
    SSL_CTX_set_session_cache_mode(watched, mode);
    /* A server without a cache would give the client no id to keep. */
    SSL_CTX_sess_set_new_cb(watched, born_expired);
    SSL_CTX_sess_set_remove_cb(watched, count);
    for (i = 1; i <= 520; i++) {
        SSL_SESSION_free(visit_quietly(client, server, NULL, NULL));
        if ((i >= 254 && i <= 258) || (i >= 510 && i <= 514) || i == 520)
            printf("after %d: number %ld, removed %d\n", i, SSL_CTX_sess_number(watched), removed);
    }
    SSL_CTX_sess_set_remove_cb(watched, NULL);
}

static void run(long mode, int the_client, int in_child)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_CTX *watched = the_client ? client : server;
    pid_t child;
    printf("-- the %s%s, mode %#lx\n", context_name(watched), in_child ? " of a child" : "", (unsigned long)mode);
    removed = 0;
    if (!in_child) {
        connect_often(server, client, watched, mode);
    } else {
        child = fork();
        NEED(child >= 0);
        if (child == 0) {
            connect_often(server, client, watched, mode);
            _exit(0);
        }
        NEED(waitpid(child, NULL, 0) == child);
    }
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(SSL_SESS_CACHE_SERVER, 0, 0);
    run(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR, 0, 0);
    run(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP, 0, 0);
    run(SSL_SESS_CACHE_CLIENT, 1, 0);
    run(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_AUTO_CLEAR, 1, 0);
    run(SSL_SESS_CACHE_SERVER, 0, 1);
    run(SSL_SESS_CACHE_CLIENT, 1, 1);
    return 0;
}
