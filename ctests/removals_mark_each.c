/*
 * Each session that leaves by a call is marked not resumable, the first as the last, and nothing else of it changes;
 * nor does anything of those that stay. LIBSSL.md section 1, "Marking a session not resumable".
 */
#include "common.h"

enum { SESSIONS = 5 };

/* What can be seen of a session, but for the mark. */
typedef struct {
    unsigned char *der;
    int length;
    long time, timeout;
    X509 *peer;
} Seen;

static Seen see(SSL_SESSION *session)
{
    Seen seen = { NULL, 0, SSL_SESSION_get_time(session), SSL_SESSION_get_timeout(session),
                  SSL_SESSION_get0_peer(session) };
    seen.length = i2d_SSL_SESSION(session, &seen.der);
    NEED(seen.length > 0);
    return seen;
}

static int is_as_seen(SSL_SESSION *session, const Seen *before)
{
    Seen now = see(session);
    int same = now.length == before->length && memcmp(now.der, before->der, (size_t)now.length) == 0
        && now.time == before->time && now.timeout == before->timeout && now.peer == before->peer;
    OPENSSL_free(now.der);
    return same;
}

static int resumable(SSL_SESSION **sessions)
{
    int count = 0;
    for (int i = 0; i < SESSIONS; i++)
        count += SSL_SESSION_is_resumable(sessions[i]);
    return count;
}

static SSL_CTX *elsewhere;

static void by_removal(SSL_CTX *ctx, SSL_SESSION *session, int i)
{
    (void)i;
    NEED(SSL_CTX_remove_session(ctx, session) == 1);
}

static void by_removal_elsewhere(SSL_CTX *ctx, SSL_SESSION *session, int i)
{
    (void)ctx, (void)i;
    NEED(SSL_CTX_remove_session(elsewhere, session) == 0);
    NEED(SSL_CTX_remove_session(elsewhere, session) == 0);
}

static void by_a_flush(SSL_CTX *ctx, SSL_SESSION *session, int i)
{
    SSL_CTX_flush_sessions(ctx, SSL_SESSION_get_time(session) + 100 * i + 150);
}

/* The sessions have a peer, which stands beside the mark in libssl's object. */
static void run(const char *name, int version, void (*leave)(SSL_CTX *, SSL_SESSION *, int))
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *sessions[SESSIONS];
    Seen before[SESSIONS];
    int same = 0;
    printf("-- %s, version %#x\n", name, (unsigned)version);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    for (int i = 0; i < SESSIONS; i++) {
        NEED((sessions[i] = visit_quietly(client, server, NULL, NULL)) != NULL);
        SSL_SESSION_set_timeout(sessions[i], 100 * (i + 1));
        NEED(SSL_SESSION_get0_peer(sessions[i]) != NULL);
        NEED(SSL_CTX_add_session(client, sessions[i]) == 1);
        before[i] = see(sessions[i]);
    }
    TRACE(resumable(sessions));
    for (int i = 0; i < SESSIONS; i++) {
        leave(client, sessions[i], i);
        TRACE(SSL_SESSION_is_resumable(sessions[i]));
        TRACE(resumable(sessions));
    }
    for (int i = 0; i < SESSIONS; i++) {
        same += is_as_seen(sessions[i], &before[i]);
        OPENSSL_free(before[i].der);
        SSL_SESSION_free(sessions[i]);
    }
    TRACE(same);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    elsewhere = server_context("elsewhere", TLS1_2_VERSION);
    run("removed", TLS1_2_VERSION, by_removal);
    run("removed", TLS1_3_VERSION, by_removal);
    run("removed elsewhere", TLS1_2_VERSION, by_removal_elsewhere);
    run("flushed", TLS1_3_VERSION, by_a_flush);
    SSL_CTX_free(elsewhere);
    return 0;
}
