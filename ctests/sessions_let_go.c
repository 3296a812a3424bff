/*
 * What a table of SSL_CTX_sessions keeps of sessions that have left the cache: nothing, from the first call on that comes
 * a minute after it was last asked for; a program that still has it finds in it what is cached. On the host the table is
 * the cache. COMPATIBILITY.md, "sessions_is_a_picture".
 */
#include "common.h"

#include <openssl/lhash.h>

#define SESSIONS 2000

static long later;

/* In place of the C library's, for libssl too. */
time_t time(time_t *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += later;
    if (place != NULL)
        *place = now.tv_sec;
    return now.tv_sec;
}

static SSL_CTX *ctx, *other;
static int next;

static SSL_SESSION *add(void)
{
    char id[32];
    SSL_SESSION *session;
    snprintf(id, sizeof id, "session %d", next++);
    session = make_session(NULL, TLS1_2_VERSION, id);
    SSL_SESSION_set_timeout(session, 100000);
    NEED(SSL_CTX_add_session(ctx, session) == 1);
    return session;
}

static OPENSSL_LHASH *table(void)
{
    return (OPENSSL_LHASH *)SSL_CTX_sessions(ctx);
}

static void check(void *session, void *counter)
{
    unsigned length;
    SSL_SESSION_get_id(session, &length);
    *(long *)counter += length == 32;
}

static long walked(OPENSSL_LHASH *of)
{
    long counted = 0;
    OPENSSL_LH_doall_arg(of, check, &counted);
    NEED((long)OPENSSL_LH_num_items(of) == counted);
    return counted;
}

/* Calls of another context: one is enough to begin with, and each lets some go. */
static void a_minute_later(void)
{
    int i;
    later += 61;
    for (i = 0; i < 20; i++)
        SSL_CTX_flush_sessions(other, 1);
}

int main(void)
{
    SSL_SESSION *sessions[SESSIONS];
    OPENSSL_LHASH *kept;
    int i;
    ctx = server_context("ctx", TLS1_2_VERSION);
    other = server_context("other", TLS1_2_VERSION);
    SSL_CTX_sess_set_cache_size(ctx, 0);
    for (i = 0; i < SESSIONS; i++)
        sessions[i] = add();
    kept = table();
    for (i = 0; i < SESSIONS; i++) {
        if (i % 2 == 0)
            NEED(SSL_CTX_remove_session(ctx, sessions[i]) == 1);
        SSL_SESSION_free(sessions[i]);
    }
    heading("the latest table");
    divergence("let_go_before_a_minute", "%ld", live_sessions());
    a_minute_later();
    TRACE(live_sessions());
    TRACE(walked(kept));
    TRACE(SSL_CTX_sess_number(ctx));
    for (i = 0; i < 10; i++)
        SSL_SESSION_free(add());
    SSL_CTX_flush_sessions(ctx, time(NULL) + 200000);
    a_minute_later();
    TRACE(live_sessions());
    TRACE(walked(kept));

    heading("superseded ones");
    for (i = 0; i < 100; i++) {
        SSL_SESSION *session = add();
        NEED(walked(table()) == 1);
        NEED(SSL_CTX_remove_session(ctx, session) == 1);
        SSL_SESSION_free(session);
        NEED(walked(table()) == 0);
    }
    a_minute_later();
    TRACE(live_sessions());
    for (i = 0; i < 18000; i++) {
        SSL_SESSION *session = add();
        NEED(table() != NULL);
        NEED(SSL_CTX_remove_session(ctx, session) == 1);
        SSL_SESSION_free(session);
        NEED(i % 1000 != 0 || live_sessions() <= 17000);
    }
    SSL_CTX_flush_sessions(ctx, 0);
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    SSL_CTX_free(other);
    TRACE(live_sessions());
    return 0;
}
