/* Eight threads of visits to one server. */
#ifndef CTESTS_VISITS_H
#define CTESTS_VISITS_H

#include "threads.h"

/* Of a session, which each time gives the one that is offered next. */
#define RESUMPTIONS 4

static SSL_CTX *server, *client;
static int rounds;
static atomic_int full, resumed;

static void *visits(void *argument)
{
    int round, i, reused;
    (void)argument;
    for (round = 0; round < rounds; round++) {
        SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
        NEED(session != NULL);
        atomic_fetch_add(&full, 1);
        for (i = 0; i < RESUMPTIONS; i++) {
            SSL_SESSION *next = visit_quietly(client, server, session, &reused);
            atomic_fetch_add(&resumed, reused);
            SSL_SESSION_free(session);
            session = next;
        }
        SSL_SESSION_free(session);
    }
    return NULL;
}

/* In each thread so many full handshakes, each with its resumptions; prints what came of them. */
static void visit_in_threads(int times)
{
    rounds = times;
    full = resumed = 0;
    in_threads(visits);
    printf("full %d, resumed %d\n", atomic_load(&full), atomic_load(&resumed));
}

#endif
