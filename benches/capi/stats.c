#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "stats.h"
#include "../../include/sslcache.h"
#include <dlfcn.h>
#include <string.h>

typedef const char *(*version_function)(void);
typedef int (*stats_function)(SSL_CTX *ctx, struct sslcache_stats *stats, size_t size);

/* ISO C knows no way from a data pointer to a function pointer; POSIX promises that this one works. */
static void look_up(const char *name, void *function)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &found, sizeof found);
}

const char *sslcache_version_here(void)
{
    version_function version;
    look_up("sslcache_version", &version);
    return version == NULL ? "" : version();
}

double accounted_bytes(SSL_CTX *ctx)
{
#ifdef SSLCACHE_STATS_MEMORY
    stats_function stats_of;
    struct sslcache_stats stats;
    look_up("sslcache_stats", &stats_of);
    if (stats_of != NULL && stats_of(ctx, &stats, sizeof stats))
        return (double)stats.memory;
#else
    (void)ctx;
    (void)(stats_function)0;
#endif
    return -1;
}
