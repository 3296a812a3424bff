/*
 * A session that a worker changes is its own from then on, and is still counted and listed. SSL_SESSION_set1_hostname(3),
 * SSL_CTX_sessions(3), SSL_CTX_sess_number(3).
 */
#include "keep_last.h"

static SSL_CTX *server, *client;

int sessions_are_bare(void)
{
    return 1;
}

static void change_and_list(void)
{
    int i;
    for (i = 0; i < 2; i++) {
        SSL_SESSION_free(visit_quietly(client, server, NULL, NULL));
        NEED(SSL_SESSION_set1_hostname(last, "other.example"));
        printf("listed %lu", OPENSSL_LH_num_items((OPENSSL_LHASH *)SSL_CTX_sessions(server)));
        printf(", counted %ld\n", SSL_CTX_sess_number(server));
    }
    SSL_SESSION_free(last);
}

int main(void)
{
    server = server_context("server", TLS1_2_VERSION);
    client = client_context("client", TLS1_2_VERSION);
    SSL_CTX_sess_set_new_cb(server, keep_last);
    printf("the worker %s\n", ending_in_child(change_and_list));
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
