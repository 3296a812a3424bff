/*
 * Shared ticket keys give a client new tickets when libssl's own do: in TLS 1.3 with each resumption, in TLS 1.2 not
 * while the key has its turn. SSL_CTX_set_tlsext_ticket_key_cb(3), return value 2.
 *
 * settings: SSLCACHE_TICKET_KEYS=shared
 */
#include "common.h"

static int same_ticket(const SSL_SESSION *a, const SSL_SESSION *b)
{
    const unsigned char *one, *other;
    size_t length, other_length;
    SSL_SESSION_get0_ticket(a, &one, &length);
    SSL_SESSION_get0_ticket(b, &other, &other_length);
    NEED(length > 0 && other_length > 0);
    return length == other_length && memcmp(one, other, length) == 0;
}

static void visit_twice(const char *name, int version)
{
    SSL_CTX *server = with_tickets(server_context("server", version));
    SSL_CTX *client = with_tickets(client_context("client", version));
    SSL_SESSION *first, *second, *third;
    heading("%s", name);
    first = visit("full", client, server, NULL);
    second = visit("first ticket", client, server, first);
    printf("the same ticket: %d\n", same_ticket(first, second));
    third = visit("second ticket", client, server, second);
    printf("the same ticket: %d\n", same_ticket(second, third));
    TRACE(ERR_peek_error());
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
    SSL_SESSION_free(third);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    visit_twice("TLS 1.2", TLS1_2_VERSION);
    visit_twice("TLS 1.3", TLS1_3_VERSION);
    TRACE(live_sessions());
    return 0;
}
