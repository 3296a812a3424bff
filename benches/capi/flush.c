/* A flush of many expired sessions, and what it means for another thread's adds. */
#include "bench.h"
#include <stdatomic.h>
#include <time.h>

enum { PACE_NS = 10000, BEFORE_NS = 100000000 };

struct scene {
    SSL_CTX *ctx;
    SSL_SESSION **fresh;
    long fresh_ones;
    struct samples before, beside;
    int64_t flush_wall, flush_cpu;
    atomic_int flushing; /* 0 not yet, 1 now, 2 done */
};

/* An add every 10 microseconds, faster than any server; where one had to wait, the next do not make up for it. */
static void add_beside(struct scene *scene)
{
    int64_t next = now_ns();
    for (long i = 0; i < scene->fresh_ones; i++) {
        int then = atomic_load(&scene->flushing);
        struct samples *samples = then ? &scene->beside : &scene->before;
        int64_t start, took;
        if (then == 2)
            return;
        while (now_ns() < next)
            ;
        /* Each time, because other programs may run while this one waits for its turn. */
        samples_begin(samples);
        start = now_ns();
        SSL_CTX_add_session(scene->ctx, scene->fresh[i]);
        took = now_ns() - start;
        next = start + (took > PACE_NS ? took : PACE_NS);
        /* One that was begun before the flush and met it belongs to it. */
        sample(atomic_load(&scene->flushing) ? &scene->beside : samples, took);
    }
}

static void flush(struct scene *scene)
{
    struct timespec before = {.tv_nsec = BEFORE_NS};
    struct lap start;
    nanosleep(&before, NULL);
    atomic_store(&scene->flushing, 1);
    start = (struct lap){now_ns(), thread_ns()};
    SSL_CTX_flush_sessions(scene->ctx, time(NULL));
    scene->flush_wall = now_ns() - start.wall;
    scene->flush_cpu = thread_ns() - start.cpu;
    atomic_store(&scene->flushing, 2);
}

static void play(void *shared, int number)
{
    if (number == 0)
        flush(shared);
    else
        add_beside(shared);
}

/* expired=N adds=K: N sessions expire together; at most K are added meanwhile. The cache has the last reference to
 * the expired ones, as on a server whose connections are long closed, so a flush frees them. */
void measure_flush(void)
{
    long expired = option("expired", 1000), adds = option("adds", 400000);
    SSL_SESSION **sessions = sessions_new(expired + adds);
    struct scene scene = {.ctx = cache_of(0), .fresh = sessions, .fresh_ones = adds};
    scene.before = samples_new(adds);
    scene.beside = samples_new(adds);
    for (long i = adds; i < adds + expired; i++) {
        SSL_SESSION_set_time(sessions[i], time(NULL) - LONGEST_TIMEOUT - 3600);
        NEED(SSL_CTX_add_session(scene.ctx, sessions[i]));
        SSL_SESSION_free(sessions[i]);
    }
    in_threads(2, play, &scene);
    NEED(SSL_CTX_sess_number(scene.ctx) <= adds);
    report_number("flush_ms", scene.flush_wall / 1e6);
    report_number("flush_cpu_ms", scene.flush_cpu / 1e6);
    /* The adds before it show what this machine does to an add without a flush. */
    report_samples("before_", &scene.before);
    report_samples("", &scene.beside);
}
