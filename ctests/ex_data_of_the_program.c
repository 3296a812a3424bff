/*
 * ex_data is the program's: FreeRADIUS keeps data with an SSL under an index that it got for another class, rsyslog's
 * imdtls under numbers that it never asked for. Under all the small numbers, with connections, contexts and sessions,
 * what the program has put there stays, and is nobody else's. COMPATIBILITY.md has no word of it: it is as libssl does.
 */
#include "common.h"

#define NUMBERS 12

/* Long enough for code that takes it for an object of libssl's. */
static char values[NUMBERS][4096];
static SSL_CTX *first, *second, *client;

int sessions_are_bare(void)
{
    return 1;
}

static int kept(void *(*get)(const void *, int), const void *object)
{
    int number, kept = 0;
    for (number = 0; number < NUMBERS; number++)
        kept += get(object, number) == values[number];
    return kept;
}

static void *of_connection(const void *ssl, int number)
{
    return SSL_get_ex_data(ssl, number);
}

static void *of_context(const void *ctx, int number)
{
    return SSL_CTX_get_ex_data(ctx, number);
}

static void *of_session(const void *session, int number)
{
    return SSL_SESSION_get_ex_data(session, number);
}

static int switch_context(SSL *ssl, int *alert, void *argument)
{
    (void)alert, (void)argument;
    if (SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != NULL)
        NEED(SSL_set_SSL_CTX(ssl, second) == second);
    return SSL_TLSEXT_ERR_OK;
}

/* With the name that makes the server switch, if any. */
static SSL_SESSION *come(const char *what, SSL_CTX *server, const char *name, SSL_SESSION *offered)
{
    Pair pair = pair_new(client, server, offered);
    SSL_SESSION *session;
    static const unsigned char id[32] = { 1 };
    int number, matches;
    if (name != NULL)
        NEED(SSL_set_tlsext_host_name(pair.client, name));
    for (number = 0; number < NUMBERS; number++)
        NEED(SSL_set_ex_data(pair.server, number, values[number]));
    matches = SSL_has_matching_session_id(pair.server, id, sizeof id);
    NEED(handshake(&pair));
    session = SSL_get1_session(pair.client);
    printf("%s: reused %d, matching %d and %d, kept %d\n", what, SSL_session_reused(pair.server), matches,
           SSL_has_matching_session_id(pair.server, SSL_SESSION_get_id(session, NULL), 32),
           kept(of_connection, pair.server));
    close_cleanly(&pair);
    return session;
}

int main(void)
{
    SSL_SESSION *session, *again;
    SSL *original, *copy;
    int number;
    for (number = 0; number < NUMBERS; number++)
        memset(values[number], 'x', sizeof values[number]);
    client = client_context("client", TLS1_2_VERSION);
    first = server_context("first", TLS1_2_VERSION);
    second = server_context("second", TLS1_2_VERSION);
    SSL_CTX_set_tlsext_servername_callback(first, switch_context);
    for (number = 0; number < NUMBERS; number++)
        NEED(SSL_CTX_set_ex_data(first, number, values[number]));

    session = come("full", first, NULL, NULL);
    SSL_SESSION_free(come("resumed", first, NULL, session));
    SSL_SESSION_free(come("in vain", second, NULL, session));
    again = come("switched", first, "second.example", NULL);
    SSL_SESSION_free(come("switched and resumed", first, "second.example", again));
    SSL_SESSION_free(come("not at the second", second, NULL, again));

    for (number = 0; number < NUMBERS; number++)
        NEED(SSL_SESSION_set_ex_data(session, number, values[number]));
    TRACE(SSL_CTX_add_session(second, session));
    TRACE(SSL_SESSION_set_timeout(session, 500));
    TRACE(SSL_CTX_remove_session(second, session));
    TRACE(kept(of_session, session));

    /* SSL_dup takes over what is registered, and of that as much as there is. */
    for (number = 0; number < NUMBERS; number++)
        NEED(SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL) > 0);
    original = SSL_new(first);
    SSL_set_accept_state(original);
    NEED(SSL_set_SSL_CTX(original, second) == second);
    for (number = 0; number < NUMBERS; number++)
        NEED(SSL_set_ex_data(original, number, values[number]));
    copy = SSL_dup(original);
    TRACE(kept(of_connection, original));
    TRACE(kept(of_connection, copy));
    SSL_free(copy);
    SSL_free(original);

    SSL_SESSION_free(session);
    SSL_SESSION_free(again);
    TRACE(SSL_CTX_sess_number(first));
    TRACE(kept(of_context, first));
    SSL_CTX_free(first);
    SSL_CTX_free(second);
    SSL_CTX_free(client);
    return 0;
}
