/*
 * Where many contexts hold sessions, SSL_SESSION_set_timeout finds those that hold its session, and it costs no more than
 * where there is one: 200 calls beside 1,000 contexts take less processor time than ten walks of all would.
 * SSL_SESSION_set_timeout(3); LIBSSL.md section 5.
 */
#include "common.h"

#define CONTEXTS 1000
#define CALLS 200

int sessions_are_bare(void)
{
    return 1;
}

static double used(void)
{
    struct timespec now;
    NEED(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static SSL_CTX *contexts[CONTEXTS];
static SSL_SESSION *sessions[CONTEXTS];

static double set_timeouts(SSL_SESSION *of(int))
{
    double before = used();
    int i;
    for (i = 0; i < CALLS; i++)
        SSL_SESSION_set_timeout(of(i), 1000 + i);
    return used() - before;
}

static SSL_SESSION *stranger(int i)
{
    static SSL_SESSION *session;
    (void)i;
    if (session == NULL)
        session = make_session(NULL, TLS1_2_VERSION, "in no cache");
    return session;
}

static SSL_SESSION *one_of_each(int i)
{
    return sessions[i * (CONTEXTS / CALLS)];
}

/* Counting the sessions of every context once: what a walk costs at least. */
static double walk(void)
{
    double before = used();
    int i;
    for (i = 0; i < CONTEXTS; i++)
        NEED(SSL_CTX_sess_number(contexts[i]) >= 0);
    return used() - before;
}

int main(void)
{
    double ten_walks;
    long left = 0;
    int i;
    for (i = 0; i < CONTEXTS; i++) {
        char id[32];
        contexts[i] = SSL_CTX_new(TLS_server_method());
        NEED(contexts[i] != NULL);
        snprintf(id, sizeof id, "session %d", i);
        sessions[i] = make_session(NULL, TLS1_2_VERSION, id);
        NEED(SSL_CTX_add_session(contexts[i], sessions[i]) == 1);
    }
    ten_walks = walk() * 10;
    TRACE(set_timeouts(stranger) < ten_walks);
    TRACE(set_timeouts(one_of_each) < ten_walks);
    heading("it reaches the cache that holds the session");
    for (i = 0; i < CONTEXTS; i++) {
        SSL_SESSION_set_time(sessions[i], 1000);
        SSL_SESSION_set_timeout(sessions[i], i % 2 == 0 ? 100 : 100000);
    }
    for (i = 0; i < CONTEXTS; i++) {
        SSL_CTX_flush_sessions(contexts[i], 5000);
        left += SSL_CTX_sess_number(contexts[i]);
    }
    TRACE(left);
    for (i = 0; i < CONTEXTS; i++) {
        SSL_CTX_free(contexts[i]);
        SSL_SESSION_free(sessions[i]);
    }
    SSL_SESSION_free(stranger(0));
    return 0;
}
