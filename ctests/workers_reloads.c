/*
 * A master that makes its context anew and forks new workers, again and again: the memory that all share has 16 places
 * here, and those of contexts that are gone are had again. The program sets the clock, for itself and its libraries.
 *
 * settings: SSLCACHE_REGION_SIZE=1M
 */
#include "workers.h"

enum { GENERATIONS = 24 };

static time_t ahead;

/* OpenSSL asks the one before 3.2 and the other since. */
int gettimeofday(struct timeval *place, void *zone)
{
    struct timespec now;
    NEED(zone == NULL && clock_gettime(CLOCK_REALTIME, &now) == 0);
    place->tv_sec = now.tv_sec + ahead;
    place->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    if (place != NULL)
        *place = now.tv_sec;
    return now.tv_sec;
}

/* Whether a client of one worker is resumed at another. */
static long generation(void)
{
    Worker a, b;
    Ticket ticket;
    long resumed;
    open_shop(TLS1_2_VERSION);
    a = worker_start();
    b = worker_start();
    ticket = ticket_from(&a);
    resumed = resumed_at(&b, &ticket);
    worker_end(&a);
    worker_end(&b);
    close_shop();
    return resumed;
}

int main(void)
{
    long resumed = 0;
    int i;
    /* By the end of its session, or because nobody has used it for long: half a minute is not long. */
    for (i = 0; i < GENERATIONS; i++) {
        resumed += generation();
        ahead += i < GENERATIONS / 2 ? 86400 : 30;
    }
    divergence("reloads_share", "%ld", resumed);
    return 0;
}
