/*
 * Eight threads ask for the table of SSL_CTX_sessions and walk it while the cache stays the same:
 * each sees all of it, always at the same place. SSL_CTX_sessions(3), "access must be thread-safe":
 * there is nothing to guard against where nobody writes.
 */
#include "threads.h"

#include <openssl/lhash.h>

#define SESSIONS 50
#define ROUNDS 500

static SSL_CTX *ctx;
static OPENSSL_LHASH *first;
static atomic_long visited, others;

static void count(void *session, void *counter)
{
    unsigned length;
    SSL_SESSION_get_id(session, &length);
    *(long *)counter += length == 32;
}

static void *walk(void *argument)
{
    long seen = 0, elsewhere = 0;
    int i;
    (void)argument;
    for (i = 0; i < ROUNDS; i++) {
        OPENSSL_LHASH *table = (OPENSSL_LHASH *)SSL_CTX_sessions(ctx);
        elsewhere += table != first;
        OPENSSL_LH_doall_arg(table, count, &seen);
        seen -= (long)OPENSSL_LH_num_items(table) - SESSIONS;
    }
    atomic_fetch_add(&visited, seen);
    atomic_fetch_add(&others, elsewhere);
    return NULL;
}

int main(void)
{
    int i;
    ctx = server_context("ctx", TLS1_2_VERSION);
    for (i = 0; i < SESSIONS; i++) {
        char id[32];
        SSL_SESSION *session;
        snprintf(id, sizeof id, "session %d", i);
        session = make_session(NULL, TLS1_2_VERSION, id);
        NEED(SSL_CTX_add_session(ctx, session) == 1);
        SSL_SESSION_free(session);
    }
    first = (OPENSSL_LHASH *)SSL_CTX_sessions(ctx);
    in_threads(walk);
    TRACE(visited == (long)THREADS * ROUNDS * SESSIONS);
    TRACE(others);
    TRACE((OPENSSL_LHASH *)SSL_CTX_sessions(ctx) == first);
    TRACE(SSL_CTX_sess_number(ctx));
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
    return 0;
}
