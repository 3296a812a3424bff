/*
 * An application's own session store behind the three callbacks, in the manner of servers: it keeps
 * what `new` hands it and answers `get` as the program has asked for.
 */
#ifndef CTESTS_STORE_H
#define CTESTS_STORE_H

#include "common.h"

static SSL_SESSION *stored;
/* What get answers in *copy; -1 leaves it alone. */
static int answer_copy = -1;

static inline SSL_SESSION *store_get(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    printf("  get(%s, %s of %d bytes, copy %d) -> %s\n", context_name(SSL_get_SSL_CTX(ssl)),
           id_name(id, (unsigned)length), length, *copy, stored == NULL ? "NULL" : session_id_name(stored));
    if (answer_copy >= 0)
        *copy = answer_copy;
    /* Handed over with a reference of its own. */
    if (stored != NULL && answer_copy == 0)
        SSL_SESSION_up_ref(stored);
    return stored;
}

static inline int store_new(SSL *ssl, SSL_SESSION *session)
{
    trace_new(ssl, session);
    if (new_answer) {
        SSL_SESSION_free(stored);
        stored = session;
    }
    return new_answer;
}

static inline void store_callbacks(SSL_CTX *ctx)
{
    SSL_CTX_sess_set_new_cb(ctx, store_new);
    SSL_CTX_sess_set_get_cb(ctx, store_get);
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
}

static inline void store_drop(void)
{
    SSL_SESSION_free(stored);
    stored = NULL;
}

#endif
