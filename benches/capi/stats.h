/* What sslcache says of itself, where it is in the process: its symbols are looked for at run time, so that the
 * same program runs without it. */
#ifndef SESSION_BENCH_STATS_H
#define SESSION_BENCH_STATS_H

#include <openssl/ssl.h>

/* Its version; "" where it is not here. */
const char *sslcache_version_here(void);
/* Bytes its cache of a context accounts for; -1 where it is not here or does not tell. */
double accounted_bytes(SSL_CTX *ctx);

#endif
