/* Eight threads that start together. */
#ifndef CTESTS_THREADS_H
#define CTESTS_THREADS_H

#include "common.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8

/* Runs `body` with 0 .. THREADS-1 as its argument and returns when all have ended. */
static inline void in_threads(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    long i;
    for (i = 0; i < THREADS; i++)
        NEED(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
    for (i = 0; i < THREADS; i++)
        NEED(pthread_join(threads[i], NULL) == 0);
}

/* Waits for a child, and counts it if it has ended with 0. */
static inline void count_if_clean(pid_t child, atomic_int *clean)
{
    int status;
    NEED(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        atomic_fetch_add(clean, 1);
}

/* Forks so many children, one after the other, as long as they end with 0: one that waits is enough. Then tells the other
 * threads to stop. */
static inline void children_in_turn(int number, void (*child)(void), atomic_int *clean, atomic_int *stop)
{
    int i;
    for (i = 0; i < number && atomic_load(clean) == i; i++) {
        pid_t pid = fork();
        NEED(pid >= 0);
        if (pid == 0)
            child();
        count_if_clean(pid, clean);
    }
    atomic_store(stop, 1);
}

#endif
