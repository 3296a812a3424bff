/* A new callback that keeps the server's side of the last handshake. */
#ifndef CTESTS_KEEP_LAST_H
#define CTESTS_KEEP_LAST_H

#include "common.h"

static SSL_SESSION *last;

static int keep_last(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(last);
    last = session;
    return 1;
}

#endif
