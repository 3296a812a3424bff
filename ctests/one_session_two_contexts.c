/*
 * One session in two contexts. The host's list pointers are in the session, so a later flush of the
 * first context walks for ever; here each context holds its own reference.
 * LIBSSL.md section 5, "add to a second SSL_CTX" (divergence).
 */
#include "common.h"

#include <unistd.h>

static SSL_CTX *one, *two;
static SSL_SESSION *a, *b;

/* How long is waited for what does not come to an end on the host. */
enum { SECONDS = 3 };

static void flush_both(void)
{
    alarm(SECONDS);
    SSL_CTX_flush_sessions(one, 0);
    SSL_CTX_flush_sessions(two, 0);
    if (SSL_CTX_sess_number(one) != 0 || SSL_CTX_sess_number(two) != 0)
        _exit(1);
}

static void remove_from_one(void)
{
    int removed;
    alarm(SECONDS);
    removed = SSL_CTX_remove_session(one, a);
    if (removed != 1 || SSL_CTX_sess_number(one) != 1 || SSL_CTX_sess_number(two) != 2)
        _exit(1);
    SSL_CTX_flush_sessions(two, 0);
    SSL_CTX_flush_sessions(one, 0);
    SSL_CTX_free(one);
    SSL_CTX_free(two);
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    if (live_sessions() != 0)
        _exit(2);
}

int main(void)
{
    one = server_context("one", TLS1_2_VERSION);
    two = server_context("two", TLS1_2_VERSION);
    a = make_session(NULL, TLS1_2_VERSION, "a");
    b = make_session(NULL, TLS1_2_VERSION, "b");
    TRACE(SSL_CTX_add_session(one, b));
    TRACE(SSL_CTX_add_session(one, a));
    TRACE(SSL_CTX_add_session(two, b));
    TRACE(SSL_CTX_add_session(two, a));
    TRACE(SSL_CTX_sess_number(one));
    TRACE(SSL_CTX_sess_number(two));
    divergence("two_contexts_flush", "%s", ending_in_child(flush_both));
    divergence("two_contexts_remove", "%s", ending_in_child(remove_from_one));
    fflush(stdout);
    /* On the host neither context can be freed. */
    _exit(0);
}
