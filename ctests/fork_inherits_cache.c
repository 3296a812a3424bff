/*
 * A child uses the cache it inherited: sessions of before the fork are resumed on both sides of it,
 * and it can add, remove, flush and free. DESIGN.md, "fork is normal".
 */
#include "common.h"

#include <sys/wait.h>
#include <unistd.h>

static SSL_CTX *server, *client;
static SSL_SESSION *session;

static void in_the_child(void)
{
    SSL_SESSION *mine = make_session("the child's", TLS1_2_VERSION, "child");
    heading("child");
    SSL_SESSION_free(visit("inherited", client, server, session));
    SSL_SESSION_free(visit("full", client, server, NULL));
    TRACE(SSL_CTX_add_session(server, mine));
    TRACE(SSL_CTX_remove_session(server, mine));
    SSL_SESSION_free(mine);
    SSL_CTX_flush_sessions(server, 0);
    TRACE(SSL_CTX_sess_number(server));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    SSL_SESSION_free(session);
    TRACE(live_sessions());
}

static void fork_once(void)
{
    int status;
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        in_the_child();
        _exit(0);
    }
    NEED(waitpid(child, &status, 0) == child);
    heading("parent");
    TRACE(status);
}

int main(void)
{
    server = server_context("server", TLS1_2_VERSION);
    client = client_context("client", TLS1_2_VERSION);
    session = visit("full", client, server, NULL);
    fork_once();
    SSL_SESSION_free(visit("the same session", client, server, session));
    TRACE(SSL_CTX_sess_number(server));
    fork_once();
    SSL_SESSION_free(visit("the same session", client, server, session));
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
    return 0;
}
