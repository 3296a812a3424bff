/*
 * Single-threaded adds: what one costs with so many cached, while the cache grows from nothing, and of a session
 * that is cached already.
 */
#include "bench.h"

enum { LONG_NS = 50000, FLOOR_BATCH = 200, HOT_BATCH = 100 };

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

/* As much of the session as an add reads, as it is where the session has just been made. */
static void warm(SSL_SESSION **batch, long n)
{
    for (long i = 0; i < n; i++) {
        touch(batch[i]);
        NEED(SSL_SESSION_get_protocol_version(batch[i]) != 0);
        NEED(SSL_SESSION_get_time(batch[i]) != 0 && SSL_SESSION_get_timeout(batch[i]) != 0);
    }
}

/* Instructions that wait for nobody, ten of them each time round. */
static void work(long instructions)
{
    long a = 0, b = 0, c = 0, d = 0;
    for (long i = 0; i < instructions; i += 10) {
        for (int k = 0; k < 2; k++) {
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
            a++, b++, c++, d++;
        }
    }
    __asm__ volatile("" : : "r"(a), "r"(b), "r"(c), "r"(d));
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

/* Of a quarter of the batches the median: what is least does not include what else happens at times. Of another quarter
 * each for itself. The last two have so many instructions of other work after each touching: what a call of that length
 * costs at least. A processor looks a few hundred instructions ahead; while they are few, it waits for several sessions at
 * a time, when they are more, for each of them alone. */
static void floor_of(SSL_SESSION **sessions, long n)
{
    struct samples single = samples_new(n), whole = samples_new(n), busy = samples_new(n), busier = samples_new(n);
    struct {
        struct samples *samples;
        long instructions;
    } wholes[] = {{&whole, 0}, {&busy, 250}, {&busier, 500}};
    for (long done = 0; done + 4 * FLOOR_BATCH <= n; done += FLOOR_BATCH) {
        int64_t start, end;
        for (int kind = 0; kind < 3; kind++, done += FLOOR_BATCH) {
            start = thread_ns();
            for (long i = done; i < done + FLOOR_BATCH; i++) {
                touch(sessions[i]);
                work(wholes[kind].instructions);
            }
            sample_always(wholes[kind].samples, (thread_ns() - start) / FLOOR_BATCH);
        }
        samples_begin(&single);
        start = now_ns();
        for (long i = done; i < done + FLOOR_BATCH; i++, start = end) {
            touch(sessions[i]);
            end = now_ns();
            sample(&single, end - start);
        }
    }
    report_samples("floor_", &single);
    report_number("floor", median(&whole));
    report_number("floor_250", median(&busy));
    report_number("floor_500", median(&busier));
}

/*
 * cached=N ops=K: K adds of sessions that the cache has not seen, while N are cached. mixed: their timeouts are
 * spread over those of the cached ones. full: the cache may hold N, so each add evicts. last: the cache has the
 * last reference, so an eviction also frees the session. hot: the sessions are in the processor's cache, as on a server,
 * which adds each in the moment in which it is made.
 */
void measure_add(void)
{
    long cached = option("cached", 1000), ops = option("ops", 1000), mixed = option("mixed", 0);
    long full = option("full", 0), last = option("last", 0), hot = option("hot", 0);
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
    if (hot && batch > HOT_BATCH)
        batch = HOT_BATCH;
    if (!hot)
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
        if (hot)
            warm(sessions + done, batch);
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
