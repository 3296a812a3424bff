/*
 * One program, two caches: it uses libssl's public functions only, so it runs as it is on libssl's own session
 * cache and, preloaded, on sslcache. Each run makes one measurement and prints one line of JSON.
 *
 *     session-bench MEASUREMENT [name=number...]
 *
 * benches/compare runs it, in turn with and without sslcache, and compares. Sessions are made before the clock
 * starts, from a seed, so that both caches meet the same ones; and they are visited in an order that has nothing
 * to do with their place in memory, as on a server whose clients come back when they like.
 */
#ifndef SESSION_BENCH_H
#define SESSION_BENCH_H

#include <openssl/ssl.h>
#include <stdint.h>

/* Ends the program where the measurement, not the cache, went wrong. */
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            give_up(__FILE__, __LINE__, #condition);                                               \
    } while (0)

void give_up(const char *file, int line, const char *condition) __attribute__((noreturn));

/* name=number from the command line. */
long option(const char *name, long otherwise);

/* The line of JSON. */
void report_number(const char *name, double value);
void report_text(const char *name, const char *value);

/* Nanoseconds since some moment. */
int64_t now_ns(void);
/* Nanoseconds that this thread has been running. A rate counted in these does not depend on what else the machine
 * does; where no thread waits for another it is the same as by the clock. */
int64_t thread_ns(void);

/* How long each of many calls took, by the clock. One in which the kernel let another program run is counted apart: it
 * tells nothing of the cache. One that waited for a lock counts. */
struct samples {
    uint32_t *took;
    long n;
    long preempted;
    int64_t worst_preempted;
    long voluntary, involuntary; /* context switches of this thread until the last slow call */
};
struct samples samples_new(long most);
/* To be called by the thread that takes the samples, before the first. */
void samples_begin(struct samples *samples);
void sample(struct samples *samples, int64_t ns);
/* For times in which no other program counts. */
void sample_always(struct samples *samples, int64_t ns);
double median(struct samples *samples);
/* PREFIXsamples, mean, p50, p99, p999, worst, preempted and worst_preempted. */
void report_samples(const char *prefix, struct samples *samples);

/* Memory whose pages are there already, so that writing a sample never faults. */
void *touched(size_t bytes);

/* xorshift: small, fast and the same in every run. */
uint64_t next_random(uint64_t *state);
uint64_t seed(void);

enum { ID_BYTES = 32, LONGEST_TIMEOUT = 86400 };

/* `n` sessions of random ids (option prefix: so many bytes of them the same in all), of TLS 1.2, made in this
 * second and all with the same timeout, in a random order. */
SSL_SESSION **sessions_new(long n);
void session_id(SSL_SESSION *session, unsigned char id[ID_BYTES]);
/* Adds `n` sessions; `mixed`: of timeouts up to LONGEST_TIMEOUT, the earliest first, which is libssl's cheap case. */
void fill(SSL_CTX *ctx, SSL_SESSION **sessions, long n, int mixed);
/* A server's context whose cache holds `size` sessions; 0: any number. */
SSL_CTX *cache_of(long size);

/* Nanoseconds by the clock, and of all processors together. */
struct lap {
    int64_t wall, cpu;
};
/* Runs `body` in `n` threads that start together, until the last has ended. */
typedef void (*thread_body)(void *shared, int number);
struct lap in_threads(int n, thread_body body, void *shared);

/* Contexts and handshakes in memory. */
/* Takes the key over, and makes a certificate of it. */
SSL_CTX *server_context(int version, long size, EVP_PKEY *key);
SSL_CTX *client_context(int version);
/* A handshake that leaves its newest session in *session, and offers what was there before. The server's end is
 * handed out if asked for, else both ends are closed as by close_notify. 1 if the session was resumed. */
int handshake(SSL_CTX *client, SSL_CTX *server, SSL_SESSION **session, SSL **server_end);

/* The measurements. */
void measure_add(void);
void measure_growth(void);
void measure_again(void);
void measure_churn(void);
void measure_lookups(void);
void measure_flush(void);
void measure_handshakes(void);
void measure_memory(void);
void measure_workers(void);
void measure_machine(void);

#endif
