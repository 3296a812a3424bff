/* What a cache needs for a session beyond the SSL_SESSION itself, which is libssl's on both sides. */
#include "bench.h"
#include "stats.h"
#include <stdio.h>
#include <unistd.h>

enum { POINTS = 40 };

static double resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    NEED(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return (double)pages * sysconf(_SC_PAGESIZE);
}

/* cached=N: resident memory before the first add and at each fortieth of the way; "curve" has the bytes a session. */
void measure_memory(void)
{
    long cached = option("cached", 1000);
    SSL_SESSION **sessions = sessions_new(cached);
    SSL_CTX *ctx = cache_of(0);
    double rss[POINTS], account[POINTS], before = resident_bytes();
    for (int point = 0; point < POINTS; point++) {
        for (long i = cached * point / POINTS; i < cached * (point + 1) / POINTS; i++)
            NEED(SSL_CTX_add_session(ctx, sessions[i]));
        rss[point] = resident_bytes() - before;
        account[point] = accounted_bytes(ctx);
    }
    report_number("bytes", rss[POINTS - 1] / cached);
    if (account[POINTS - 1] >= 0)
        report_number("accounted", account[POINTS - 1] / cached);
    printf(", \"curve\": [");
    for (int point = 0; point < POINTS; point++)
        printf("%s[%ld, %.2f]", point ? ", " : "", cached * (point + 1) / POINTS,
               rss[point] / (cached * (point + 1) / POINTS));
    printf("]");
}
