/*
 * SSL_CTX_sessions: a hash of the cached sessions that a program may count, walk and look up in.
 * SSL_CTX_sessions(3): "returns a pointer to the lhash databases containing the internal session
 * cache for ctx."
 */
#include "common.h"

#include <openssl/lhash.h>

static int seen[8], total;

static void note(void *session)
{
    const unsigned char *id = SSL_SESSION_get_id(session, NULL);
    total++;
    if (id[0] >= '0' && id[0] <= '7')
        seen[id[0] - '0']++;
}

static void note_with(void *session, void *argument)
{
    (void)session;
    ++*(int *)argument;
}

static void walk(SSL_CTX *ctx)
{
    OPENSSL_LHASH *sessions = (OPENSSL_LHASH *)SSL_CTX_sessions(ctx);
    int i, with = 0;
    memset(seen, 0, sizeof seen);
    total = 0;
    TRACE(OPENSSL_LH_num_items(sessions));
    OPENSSL_LH_doall(sessions, note);
    OPENSSL_LH_doall_arg(sessions, note_with, &with);
    printf("walked %d, with an argument %d, seen:", total, with);
    for (i = 0; i < 8; i++)
        printf(" %d", seen[i]);
    putchar('\n');
}

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *sessions[8];
    int i;
    walk(ctx);
    for (i = 0; i < 8; i++) {
        char id[2] = { (char)('0' + i), 0 };
        sessions[i] = make_session(NULL, TLS1_2_VERSION, id);
        NEED(SSL_CTX_add_session(ctx, sessions[i]) == 1);
    }
    walk(ctx);
    heading("look-up by an equal object");
    {
        SSL_SESSION *like = make_session(NULL, TLS1_2_VERSION, "5");
        SSL_SESSION *unlike = make_session(NULL, TLS1_2_VERSION, "9");
        OPENSSL_LHASH *hash = (OPENSSL_LHASH *)SSL_CTX_sessions(ctx);
        TRACE(OPENSSL_LH_retrieve(hash, like) == sessions[5]);
        TRACE_POINTER(OPENSSL_LH_retrieve(hash, unlike));
        SSL_SESSION_free(like);
        SSL_SESSION_free(unlike);
    }
    heading("after removals");
    TRACE(SSL_CTX_remove_session(ctx, sessions[0]));
    TRACE(SSL_CTX_remove_session(ctx, sessions[7]));
    walk(ctx);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_CTX_flush_sessions(ctx, 0);
    walk(ctx);
    for (i = 0; i < 8; i++)
        SSL_SESSION_free(sessions[i]);
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    return 0;
}
