/*
 * A shared ticket key has its turn of an hour: a ticket of the one before is resumed, and in TLS 1.2 then renewed, as
 * long as it would have been good anyway. The program sets the clock, for itself and its libraries.
 *
 * settings: SSLCACHE_TICKET_KEYS=shared
 */
#include "common.h"

static time_t ahead;

time_t time(time_t *place)
{
    struct timespec now;
    NEED(clock_gettime(CLOCK_REALTIME, &now) == 0);
    if (place != NULL)
        *place = now.tv_sec + ahead;
    return now.tv_sec + ahead;
}

static int same(const SSL_SESSION *a, const SSL_SESSION *b, size_t most)
{
    const unsigned char *one, *other;
    size_t length, other_length;
    SSL_SESSION_get0_ticket(a, &one, &length);
    SSL_SESSION_get0_ticket(b, &other, &other_length);
    NEED(length > 16 && other_length > 16);
    return memcmp(one, other, length < most ? length : most) == 0;
}

static void one_day(const char *name, int version)
{
    SSL_CTX *server = with_tickets(server_context("server", version));
    SSL_CTX *client = with_tickets(client_context("client", version));
    SSL_SESSION *first, *second, *third;
    heading("%s", name);
    ahead = 0;
    first = visit("full", client, server, NULL);
    ahead = 50 * 60;
    second = visit("in its turn", client, server, first);
    printf("the same key: %d\n", same(first, second, 16));
    SSL_SESSION_free(second);
    ahead = 61 * 60;
    second = visit("after its turn", client, server, first);
    if (version == TLS1_2_VERSION)
        divergence("ticket_keys_turn_renews", "%d", !same(first, second, 1000));
    else
        printf("renewed: %d\n", !same(first, second, 1000));
    divergence("ticket_keys_turn", "%d", same(first, second, 16));
    ahead = 119 * 60;
    third = visit("before it expires", client, server, first);
    SSL_SESSION_free(third);
    third = visit("the second", client, server, second);
    SSL_SESSION_free(third);
    ahead = 121 * 60;
    third = visit("expired", client, server, first);
    SSL_SESSION_free(third);
    ahead = 240 * 60;
    third = visit("a new one", client, server, NULL);
    divergence("ticket_keys_turn", "%d", same(second, third, 16));
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
    SSL_SESSION_free(third);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    one_day("TLS 1.2", TLS1_2_VERSION);
    one_day("TLS 1.3", TLS1_3_VERSION);
    TRACE(ERR_peek_error());
    return 0;
}
