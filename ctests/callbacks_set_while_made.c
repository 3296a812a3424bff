/*
 * A new function of ex_data, as a library-wide hook has one, sets callbacks, mode and size of each context while it is
 * made: the getters answer them, they are called, and only for contexts that the program has made.
 */
#include "common.h"

static SSL_CTX *known[2];
static int added, asked, removed, strangers;

static void check(const SSL_CTX *ctx)
{
    strangers += ctx != known[0] && ctx != known[1];
}

static int from_new(SSL *ssl, SSL_SESSION *session)
{
    (void)session;
    check(SSL_get_SSL_CTX(ssl));
    added++;
    return 0;
}

static SSL_SESSION *from_get(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    (void)id, (void)length, (void)copy;
    check(SSL_get_SSL_CTX(ssl));
    asked++;
    return NULL;
}

static void from_remove(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)session;
    check(ctx);
    removed++;
}

static void made(void *ctx, void *parent, CRYPTO_EX_DATA *data, int index, long argument, void *pointer)
{
    (void)parent, (void)data, (void)index, (void)argument, (void)pointer;
    SSL_CTX_sess_set_new_cb(ctx, from_new);
    SSL_CTX_sess_set_get_cb(ctx, from_get);
    SSL_CTX_sess_set_remove_cb(ctx, from_remove);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_cache_size(ctx, 7);
}

static void show(SSL_CTX *ctx)
{
    TRACE(SSL_CTX_sess_get_new_cb(ctx) == from_new);
    TRACE(SSL_CTX_sess_get_get_cb(ctx) == from_get);
    TRACE(SSL_CTX_sess_get_remove_cb(ctx) == from_remove);
    TRACE(SSL_CTX_get_session_cache_mode(ctx));
    TRACE(SSL_CTX_sess_get_cache_size(ctx));
}

int main(void)
{
    SSL_SESSION *session, *other = make_session(NULL, TLS1_2_VERSION, "other");
    SSL_CTX *plain;
    NEED(SSL_CTX_get_ex_new_index(0, NULL, made, NULL, NULL) > 0);
    known[0] = server_context("server", TLS1_2_VERSION);
    known[1] = client_context("client", TLS1_2_VERSION);
    show(known[0]);
    session = visit("full", known[1], known[0], NULL);
    SSL_SESSION_free(visit("again", known[1], known[0], session));
    TRACE(SSL_CTX_remove_session(known[0], session));
    TRACE(SSL_CTX_add_session(known[0], other));
    TRACE(SSL_CTX_remove_session(known[0], other));
    SSL_SESSION_free(visit("removed", known[1], known[0], session));
    printf("new %d, get %d, remove %d\n", added, asked, removed);
    plain = NEW_EX(TLS_server_method());
    show(plain);
    SSL_CTX_free(plain);
    SSL_SESSION_free(session);
    SSL_SESSION_free(other);
    SSL_CTX_free(known[1]);
    SSL_CTX_free(known[0]);
    printf("new %d, get %d, remove %d; of contexts that are not the program's: %d\n", added, asked, removed, strangers);
    return 0;
}
