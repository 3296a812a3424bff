/*
 * A shared ticket key has an end also where no other process can give it a successor: the file of the region is
 * shortened under a process, which then has keys of its own, each with its turn.
 *
 * settings: SSLCACHE_TICKET_KEYS=shared
 */
#include "common.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char region[64] = "/tmp/sslcache-ctest-XXXXXX/region";
static time_t ahead;

time_t time(time_t *place)
{
    struct timespec now;
    NEED(clock_gettime(CLOCK_REALTIME, &now) == 0);
    if (place != NULL)
        *place = now.tv_sec + ahead;
    return now.tv_sec + ahead;
}

int sessions_are_bare(void)
{
    return 1;
}

static void make_folder(void)
{
    char *slash = strrchr(region, '/');
    *slash = '\0';
    NEED(mkdtemp(region) != NULL);
    *slash = '/';
    NEED(setenv("SSLCACHE_REGION", region, 1) == 0);
}

static void remove_folder(void)
{
    unlink(region);
    *strrchr(region, '/') = '\0';
    NEED(rmdir(region) == 0);
}

/* The name of the key that a ticket is made with. */
static void key_of(const SSL_SESSION *session, unsigned char *name)
{
    const unsigned char *ticket;
    size_t length;
    SSL_SESSION_get0_ticket(session, &ticket, &length);
    NEED(length > 16);
    memcpy(name, ticket, 16);
}

int main(void)
{
    static const int days[] = { 0, 1, 7, 365 };
    SSL_CTX *server, *client;
    SSL_SESSION *session, *first;
    unsigned char before[16], name[16];
    int i, keys = 0, reused;
    make_folder();
    server = with_tickets(server_context("server", TLS1_2_VERSION));
    client = with_tickets(client_context("client", TLS1_2_VERSION));
    first = visit_quietly(client, server, NULL, NULL);
    /* There is none on the host. */
    if (access(region, F_OK) == 0)
        NEED(truncate(region, 4096) == 0);

    memset(before, 0, sizeof before);
    for (i = 0; i < 4; i++) {
        ahead = days[i] * 86400;
        session = visit_quietly(client, server, NULL, NULL);
        key_of(session, name);
        keys += memcmp(name, before, sizeof name) != 0;
        memcpy(before, name, sizeof name);
        SSL_SESSION_free(session);
    }
    divergence("ticket_keys_end", "%d", keys);

    /* In its own turn, a process's own key opens its tickets. */
    first = (SSL_SESSION_free(first), visit_quietly(client, server, NULL, NULL));
    SSL_SESSION_free(visit_quietly(client, server, first, &reused));
    printf("resumed: %d\n", reused);
    SSL_SESSION_free(first);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    remove_folder();
    return 0;
}
