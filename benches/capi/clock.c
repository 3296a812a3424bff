/* What a call takes, and what many threads take together. */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "bench.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* Slower than this may mean that another program ran; asking the kernel each time would be the slowest part. */
enum { SLOW_NS = 20000 };

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t thread_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

struct samples samples_new(long most)
{
    return (struct samples){.took = touched(most * sizeof(uint32_t))};
}

void samples_begin(struct samples *samples)
{
    struct rusage usage;
    NEED(getrusage(RUSAGE_THREAD, &usage) == 0);
    samples->voluntary = usage.ru_nvcsw;
    samples->involuntary = usage.ru_nivcsw;
}

/* Since the last slow call: a preemption makes the call it happens in a slow one. */
static int was_preempted(struct samples *samples)
{
    long voluntary = samples->voluntary, involuntary = samples->involuntary;
    samples_begin(samples);
    return samples->involuntary > involuntary && samples->voluntary == voluntary;
}

void sample(struct samples *samples, int64_t ns)
{
    if (ns > SLOW_NS && was_preempted(samples)) {
        samples->preempted++;
        if (ns > samples->worst_preempted)
            samples->worst_preempted = ns;
        return;
    }
    sample_always(samples, ns);
}

void sample_always(struct samples *samples, int64_t ns)
{
    samples->took[samples->n++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report_as(const char *prefix, const char *name, double value)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s%s", prefix, name);
    report_number(whole, value);
}

double median(struct samples *samples)
{
    NEED(samples->n > 0);
    qsort(samples->took, samples->n, sizeof *samples->took, by_number);
    return samples->took[samples->n / 2];
}

void report_samples(const char *prefix, struct samples *samples)
{
    uint32_t *took = samples->took;
    long n = samples->n;
    double sum = 0;
    report_as(prefix, "samples", n);
    report_as(prefix, "preempted", samples->preempted);
    report_as(prefix, "worst_preempted", samples->worst_preempted);
    if (n == 0)
        return;
    qsort(took, n, sizeof *took, by_number);
    for (long i = 0; i < n; i++)
        sum += took[i];
    report_as(prefix, "mean", sum / n);
    report_as(prefix, "p50", took[n / 2]);
    report_as(prefix, "p99", took[n - 1 - n / 100]);
    report_as(prefix, "p999", took[n - 1 - n / 1000]);
    report_as(prefix, "worst", took[n - 1]);
}

struct crew {
    thread_body body;
    void *shared;
    pthread_barrier_t start;
    pthread_barrier_t end;
};

struct member {
    struct crew *crew;
    int number;
};

static void *work(void *argument)
{
    struct member *self = argument;
    pthread_barrier_wait(&self->crew->start);
    self->crew->body(self->crew->shared, self->number);
    pthread_barrier_wait(&self->crew->end);
    return NULL;
}

struct lap in_threads(int n, thread_body body, void *shared)
{
    struct crew crew = {.body = body, .shared = shared};
    pthread_t threads[64];
    struct member members[64];
    struct lap lap;
    NEED(n > 0 && n <= 64);
    NEED(pthread_barrier_init(&crew.start, NULL, n + 1) == 0);
    NEED(pthread_barrier_init(&crew.end, NULL, n + 1) == 0);
    for (int i = 0; i < n; i++) {
        members[i] = (struct member){&crew, i};
        NEED(pthread_create(&threads[i], NULL, work, &members[i]) == 0);
    }
    /* Before the barrier: with fewer processors than threads, this one may be the last to go on after it. */
    lap = (struct lap){now_ns(), read_clock(CLOCK_PROCESS_CPUTIME_ID)};
    pthread_barrier_wait(&crew.start);
    pthread_barrier_wait(&crew.end);
    lap = (struct lap){now_ns() - lap.wall, read_clock(CLOCK_PROCESS_CPUTIME_ID) - lap.cpu};
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return lap;
}
