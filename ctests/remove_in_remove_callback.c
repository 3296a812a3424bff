/*
 * Apache Traffic Server's way: SSL_CTX_remove_session from inside the remove callback, for the
 * session it was called for and for another; and without a guard, where the session leaves by itself.
 * LIBSSL.md section 5, last paragraph.
 *
 * hangs: OpenSSL 1.1.1 (a call inside the remove callback releases the lock of the flush around it)
 */
#include "common.h"

static SSL_SESSION *other;
static int depth, answers[2];

static void remove_again(SSL_CTX *ctx, SSL_SESSION *session)
{
    printf("  %*sremove(%s, %s, resumable %d)\n", 2 * depth, "", context_name(ctx), session_id_name(session),
           SSL_SESSION_is_resumable(session));
    if (depth >= 2)
        return;
    depth++;
    answers[0] = SSL_CTX_remove_session(ctx, session);
    if (other != NULL)
        answers[1] = SSL_CTX_remove_session(ctx, other);
    depth--;
    printf("  %*sanswered %d %d\n", 2 * depth, "", answers[0], answers[1]);
}

enum { ENOUGH = 5 };
static int calls;

static void remove_always(SSL_CTX *ctx, SSL_SESSION *session)
{
    if (++calls < ENOUGH)
        NEED(SSL_CTX_remove_session(ctx, session) == 0);
}

static void tell_calls(void)
{
    divergence("unguarded_calls", "%d", calls);
    calls = 0;
}

static void leaves_by_itself(SSL_SESSION *a, SSL_SESSION *b)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_CTX_sess_set_cache_size(ctx, 1);
    SSL_CTX_sess_set_remove_cb(ctx, remove_always);
    NEED(SSL_CTX_add_session(ctx, a) == 1);
    heading("evicted");
    TRACE(SSL_CTX_add_session(ctx, b));
    tell_calls();
    heading("flushed");
    SSL_CTX_flush_sessions(ctx, 0);
    tell_calls();
    NEED(SSL_CTX_add_session(ctx, a) == 1);
    heading("freed with the context");
    SSL_CTX_free(ctx);
    tell_calls();
}

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_2_VERSION, "b");
    SSL_SESSION *session;
    SSL_CTX_sess_set_remove_cb(server, remove_again);
    heading("the same session");
    NEED(SSL_CTX_add_session(server, a) == 1);
    TRACE(SSL_CTX_remove_session(server, a));
    heading("another as well");
    NEED(SSL_CTX_add_session(server, a) == 1 && SSL_CTX_add_session(server, b) == 1);
    other = b;
    TRACE(SSL_CTX_remove_session(server, a));
    TRACE(SSL_CTX_sess_number(server));
    other = NULL;
    heading("an expired session is offered");
    session = visit("full", client, server, NULL);
    {
        SSL_SESSION *cached;
        Pair pair = pair_new(client, server, session);
        NEED(handshake(&pair));
        TRACE(SSL_session_reused(pair.server));
        cached = SSL_get1_session(pair.server);
        close_cleanly(&pair);
        SSL_SESSION_set_time(cached, time(NULL) - 1000);
        SSL_SESSION_free(cached);
    }
    SSL_SESSION_free(visit("expired", client, server, session));
    TRACE(SSL_CTX_sess_number(server));
    SSL_SESSION_free(session);
    leaves_by_itself(a, b);
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
    return 0;
}
