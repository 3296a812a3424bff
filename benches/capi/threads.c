/* One context, several threads: adds and removals alone, and few of them among many look-ups. */
#include "bench.h"
#include <openssl/ec.h>

struct load {
    SSL_CTX *ctx;
    int threads;
    long cached;           /* sessions cached all along */
    long ops;              /* of all threads together */
    SSL_SESSION **cached_ones;
    SSL_SESSION **fresh;   /* sessions to add */
    unsigned char (*ids)[ID_BYTES];
    SSL **asking;          /* a connection for each thread */
    long found[64];
};

/* Each thread adds a session that the cache has not seen and removes its oldest. */
static void churn(void *shared, int number)
{
    struct load *load = shared;
    long pairs = load->ops / 2 / load->threads, own = load->cached / load->threads;
    SSL_SESSION **fresh = load->fresh + number * pairs, **oldest = load->cached_ones + number * own;
    for (long i = 0; i < pairs; i++) {
        SSL_CTX_add_session(load->ctx, fresh[i]);
        SSL_CTX_remove_session(load->ctx, i < own ? oldest[i] : fresh[i - own]);
    }
}

/* cached=N ops=K threads=T: K adds and removals while N are cached. */
void measure_churn(void)
{
    struct load load = {.threads = option("threads", 1), .cached = option("cached", 1000), .ops = option("ops", 1000)};
    struct lap took;
    load.fresh = sessions_new(load.ops + load.cached);
    load.cached_ones = load.fresh + load.ops;
    load.ctx = cache_of(0);
    fill(load.ctx, load.cached_ones, load.cached, 0);
    took = in_threads(load.threads, churn, &load);
    report_number("per_second", load.ops * 1e9 / took.wall);
    report_number("cpu_ns", (double)took.cpu / load.ops);
    report_number("sessions", SSL_CTX_sess_number(load.ctx));
}

/* Of 20 calls, 19 look an id up that is cached; the last adds a session or removes the one added before. */
static void look_up(void *shared, int number)
{
    struct load *load = shared;
    long ops = load->ops / load->threads, writes = 0, found = 0;
    SSL_SESSION **fresh = load->fresh + number * (ops / 40 + 1);
    SSL *ssl = load->asking[number];
    uint64_t random = seed() + number;
    for (long i = 0; i < ops; i++) {
        if (i % 20 != 19) {
            found += SSL_has_matching_session_id(ssl, load->ids[next_random(&random) % load->cached], ID_BYTES);
            continue;
        }
        if (writes % 2 == 0)
            SSL_CTX_add_session(load->ctx, fresh[writes / 2]);
        else
            SSL_CTX_remove_session(load->ctx, fresh[writes / 2]);
        writes++;
    }
    load->found[number] = found;
}

/*
 * cached=N ops=K threads=T: K calls, of which 95 % are look-ups. The public API has one look-up that needs no
 * handshake: SSL_has_matching_session_id, for ids that are at hand as they are in a ClientHello. On both sides it is
 * the look-up of a handshake less the reference that is taken on what was found.
 */
void measure_lookups(void)
{
    struct load load = {.threads = option("threads", 1), .cached = option("cached", 1000), .ops = option("ops", 1000)};
    long fresh = load.ops / 40 + load.threads, found = 0, asked;
    SSL *asking[64];
    SSL_CTX *client = client_context(TLS1_2_VERSION);
    struct lap took;
    NEED(load.threads <= 64);
    load.asking = asking;
    load.ctx = server_context(TLS1_2_VERSION, 0, EVP_EC_gen("P-256"));
    load.fresh = sessions_new(fresh + load.cached);
    load.cached_ones = load.fresh + fresh;
    load.ids = touched(load.cached * sizeof *load.ids);
    for (long i = 0; i < load.cached; i++)
        session_id(load.cached_ones[i], load.ids[i]);
    fill(load.ctx, load.cached_ones, load.cached, 0);
    /* The look-up is for the version of the connection, so it has to have one. */
    for (int i = 0; i < load.threads; i++) {
        SSL_SESSION *session = NULL;
        handshake(client, load.ctx, &session, &asking[i]);
    }
    took = in_threads(load.threads, look_up, &load);
    for (int i = 0; i < load.threads; i++)
        found += load.found[i];
    asked = load.ops / load.threads / 20 * 19 * load.threads;
    NEED(found >= asked);
    report_number("per_second", load.ops * 1e9 / took.wall);
    report_number("cpu_ns", (double)took.cpu / load.ops);
    report_number("sessions", SSL_CTX_sess_number(load.ctx));
}
