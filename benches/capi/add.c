/*
 * Single-threaded adds: what one costs with so many cached, while the cache grows from nothing, and of a session
 * that is cached already.
 */
#include "bench.h"

enum { LONG_NS = 50000, FLOOR_BATCH = 200 };

/* The least that a cache can do: look at the id, take a reference and let one go. */
static void touch(SSL_SESSION *session)
{
    unsigned length;
    const unsigned char *id = SSL_SESSION_get_id(session, &length);
    /* volatile: the id is read, and once for each cache line that it may lie in. */
    (void)*(const volatile unsigned char *)id;
    (void)*(const volatile unsigned char *)(id + length - 1);
    SSL_SESSION_up_ref(session);
    SSL_SESSION_free(session);
}

/* Half of the batches are timed as a whole, which gives the rate; the others add by add, which gives the tail. */
struct timing {
    int64_t cpu_ns, wall_ns;
    long whole;
    struct samples single;
};

static void add_whole(struct timing *t, SSL_CTX *ctx, SSL_SESSION **batch, long n)
{
    int64_t wall = now_ns(), cpu = thread_ns();
    for (long i = 0; i < n; i++)
        SSL_CTX_add_session(ctx, batch[i]);
    t->cpu_ns += thread_ns() - cpu;
    t->wall_ns += now_ns() - wall;
    t->whole += n;
}

static void add_singly(struct samples *samples, SSL_CTX *ctx, SSL_SESSION **batch, long n)
{
    int64_t start, end;
    samples_begin(samples);
    start = now_ns();
    for (long i = 0; i < n; i++, start = end) {
        SSL_CTX_add_session(ctx, batch[i]);
        end = now_ns();
        sample(samples, end - start);
    }
}

/* For adds of milliseconds: another program may run in each of them, and to leave those out would be to leave the long ones
 * out. So they are timed by the thread's own time, which is too slow a clock for the short ones. */
static void add_singly_long(struct samples *samples, SSL_CTX *ctx, SSL_SESSION **batch, long n)
{
    for (long i = 0; i < n; i++) {
        int64_t start = thread_ns();
        SSL_CTX_add_session(ctx, batch[i]);
        sample_always(samples, thread_ns() - start);
    }
}

/* Of half of the batches the median: what is least does not include what else happens at times. */
static void floor_of(SSL_SESSION **sessions, long n)
{
    struct samples single = samples_new(n), whole = samples_new(n);
    for (long done = 0; done + 2 * FLOOR_BATCH <= n; done += 2 * FLOOR_BATCH) {
        int64_t start = thread_ns(), end;
        for (long i = done; i < done + FLOOR_BATCH; i++)
            touch(sessions[i]);
        sample_always(&whole, (thread_ns() - start) / FLOOR_BATCH);
        samples_begin(&single);
        start = now_ns();
        for (long i = done + FLOOR_BATCH; i < done + 2 * FLOOR_BATCH; i++, start = end) {
            touch(sessions[i]);
            end = now_ns();
            sample(&single, end - start);
        }
    }
    report_samples("floor_", &single);
    report_number("floor", median(&whole));
}

/*
 * cached=N ops=K: K adds of sessions that the cache has not seen, while N are cached. mixed: their timeouts are
 * spread over those of the cached ones. full: the cache may hold N, so each add evicts. last: the cache has the
 * last reference, so an eviction also frees the session.
 */
void measure_add(void)
{
    long cached = option("cached", 1000), ops = option("ops", 1000), mixed = option("mixed", 0);
    long full = option("full", 0), last = option("last", 0);
    int64_t until;
    /* Small batches for a small cache: while one is added the cache is larger than it should be. */
    long batch = cached / 10 < 10 ? 10 : cached / 10 > 1000 ? 1000 : cached / 10;
    uint64_t random = seed() ^ 1;
    SSL_SESSION **sessions = sessions_new(ops + cached);
    SSL_CTX *ctx = cache_of(full ? cached : 0);
    struct timing t = {.single = samples_new(ops)};
    long done, kept = 0;
    int is_long;

    for (long i = 0; mixed && i < ops; i++)
        SSL_SESSION_set_timeout(sessions[i], 1 + (long)(next_random(&random) % LONGEST_TIMEOUT));
    floor_of(sessions, ops);
    /* Between the floor and the adds all of the other sessions pass through the processor's caches. */
    fill(ctx, sessions + ops, cached, mixed);
    for (long i = 0; last && i < cached; i++)
        SSL_SESSION_free(sessions[ops + i]);
    /* The first few only tell whether an add takes nanoseconds or milliseconds. */
    add_whole(&t, ctx, sessions, done = 10);
    is_long = t.cpu_ns / t.whole > LONG_NS;
    if (is_long)
        batch = 10;
    t.cpu_ns = t.wall_ns = t.whole = 0;
    until = now_ns() + option("budget_ms", 60000) * 1000000;
    for (int singly = 0; done + batch <= ops; singly = !singly) {
        if (singly && is_long)
            add_singly_long(&t.single, ctx, sessions + done, batch);
        else if (singly)
            add_singly(&t.single, ctx, sessions + done, batch);
        else
            add_whole(&t, ctx, sessions + done, batch);
        for (long i = done; last && i < done + batch; i++)
            SSL_SESSION_free(sessions[i]);
        done += batch;
        if (now_ns() > until && t.whole && t.single.n)
            break;
        if (!full && done - kept >= cached / 10)
            for (; kept < done; kept++)
                SSL_CTX_remove_session(ctx, sessions[kept]);
    }
    report_number("ns", (double)t.cpu_ns / t.whole);
    report_number("wall_ns", (double)t.wall_ns / t.whole);
    report_number("ops", done);
    report_number("sessions", SSL_CTX_sess_number(ctx));
    report_samples("", &t.single);
}

/* to=N: each add is timed from the first to the Nth, table growth and page faults included. */
void measure_growth(void)
{
    long to = option("to", 1000);
    SSL_SESSION **sessions = sessions_new(to);
    SSL_CTX *ctx = cache_of(0);
    struct samples samples = samples_new(to);
    int64_t cpu = thread_ns();
    add_singly(&samples, ctx, sessions, to);
    report_number("ns", (double)(thread_ns() - cpu) / to);
    report_number("sessions", SSL_CTX_sess_number(ctx));
    report_samples("", &samples);
}

/* cached=N ops=K: adding again what is cached, the very same objects. */
void measure_again(void)
{
    long cached = option("cached", 1000), ops = option("ops", 1000), added = 0;
    SSL_SESSION **sessions = sessions_new(cached);
    SSL_CTX *ctx = cache_of(0);
    uint64_t random = seed() ^ 2;
    int64_t cpu;
    fill(ctx, sessions, cached, 0);
    cpu = thread_ns();
    for (long i = 0; i < ops; i++)
        added += SSL_CTX_add_session(ctx, sessions[next_random(&random) % cached]);
    report_number("ns", (double)(thread_ns() - cpu) / ops);
    report_number("sessions", SSL_CTX_sess_number(ctx));
    NEED(added == 0);
}
