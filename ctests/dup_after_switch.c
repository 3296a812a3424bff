/*
 * SSL_set_SSL_CTX before the handshake, then SSL_dup: the copy is made from the current context,
 * so its cache is the second one's, while the original keeps the first.
 * LIBSSL.md section 1, last paragraph ("the session context, the one SSL_new was called with").
 */
#include "common.h"

static Pair pair_with(SSL_CTX *client, SSL *server, SSL_SESSION *offered)
{
    Pair pair = { SSL_new(client), server };
    BIO *ours, *theirs;
    NEED(pair.client != NULL && server != NULL);
    NEED(BIO_new_bio_pair(&ours, 1 << 16, &theirs, 1 << 16));
    SSL_set_bio(pair.client, ours, ours);
    SSL_set_bio(pair.server, theirs, theirs);
    SSL_set_connect_state(pair.client);
    SSL_set_accept_state(pair.server);
    if (offered != NULL)
        NEED(SSL_set_session(pair.client, offered));
    return pair;
}

static SSL_SESSION *meet(const char *what, SSL_CTX *client, SSL *server, SSL_SESSION *offered)
{
    SSL_SESSION *session = NULL;
    Pair pair = pair_with(client, server, offered);
    if (handshake(&pair))
        session = SSL_get1_session(pair.client);
    printf("%s: reused %d\n", what, SSL_session_reused(pair.server));
    close_cleanly(&pair);
    return session;
}

static void run(int version)
{
    SSL_CTX *one = server_context("one", version), *two = server_context("two", version);
    SSL_CTX *client = client_context("client", version);
    SSL *original, *copy;
    SSL_SESSION *session, *session_of_copy;
    printf("-- version %#x\n", (unsigned)version);
    SSL_CTX_set_options(one, SSL_OP_NO_TICKET);
    SSL_CTX_set_options(two, SSL_OP_NO_TICKET);
    original = SSL_new(one);
    SSL_set_accept_state(original);
    NEED(SSL_set_SSL_CTX(original, two) == two);
    copy = SSL_dup(original);
    TRACE(copy != original);
    session = meet("original", client, original, NULL);
    printf("one %ld, two %ld\n", SSL_CTX_sess_number(one), SSL_CTX_sess_number(two));
    session_of_copy = meet("copy", client, copy, NULL);
    printf("one %ld, two %ld\n", SSL_CTX_sess_number(one), SSL_CTX_sess_number(two));
    SSL_SESSION_free(meet("the original's session on one", client, SSL_new(one), session));
    SSL_SESSION_free(meet("the copy's session on two", client, SSL_new(two), session_of_copy));
    SSL_SESSION_free(meet("the copy's session on one", client, SSL_new(one), session_of_copy));
    heading("a duplicate of an SSL that has not been moved");
    original = SSL_new(one);
    SSL_set_accept_state(original);
    copy = SSL_dup(original);
    SSL_free(original);
    SSL_SESSION_free(meet("its copy", client, copy, session));
    print_counters(one);
    print_counters(two);
    SSL_SESSION_free(session);
    SSL_SESSION_free(session_of_copy);
    SSL_CTX_free(one);
    SSL_CTX_free(two);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    return 0;
}
