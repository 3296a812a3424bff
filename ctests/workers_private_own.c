/*
 * A session that stays in a process for the application's data is used up in the process that made it, also where that
 * has inherited others that it may not use up.
 */
#include "workers.h"

static SSL_CTX *early;
static int data_index;

static int add_data(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    NEED(SSL_SESSION_set_ex_data(session, data_index, &data_index));
    return 0;
}

static void visit_once(void)
{
    SSL_SESSION_free(visit_quietly(client, early, NULL, NULL));
}

static void offer_own(void)
{
    SSL_SESSION *ticket = visit_quietly(client, early, NULL, NULL);
    Ticket der = as_ticket(ticket);
    SSL_SESSION *again = from_ticket(&der);
    print_offer("own", client, early, ticket);
    print_offer("own again", client, early, again);
    SSL_SESSION_free(ticket);
    SSL_SESSION_free(again);
}

static void offer_own_and_fork(void)
{
    offer_own();
    visit_once();
    printf("its child %s\n", ending_in_child(offer_own));
    offer_own();
}

int main(void)
{
    data_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    early = early_server("early");
    client = client_context("client", TLS1_3_VERSION);
    SSL_CTX_set_options(early, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(early, 1);
    SSL_CTX_sess_set_new_cb(early, add_data);
    visit_once();
    printf("the first worker %s\n", ending_in_child(visit_once));
    printf("the second worker %s\n", ending_in_child(offer_own_and_fork));
    SSL_CTX_free(early);
    SSL_CTX_free(client);
    return 0;
}
