/* A cached session that is given another id is found under neither. SSL_SESSION_set1_id(3). */
#include "keep_last.h"

static void run(int version, unsigned length)
{
    static const unsigned char id[] = "0123456789abcdef0123456789abcdef";
    SSL_CTX *server = server_context("server", version), *client = client_context("client", version);
    SSL_SESSION *session;
    int reused = 0;
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_sess_set_new_cb(server, keep_last);
    session = visit_quietly(client, server, NULL, NULL);
    NEED(SSL_SESSION_set1_id(last, id, length));
    SSL_SESSION_free(visit_quietly(client, server, session, &reused));
    printf("%#x, an id of %u: resumed %d\n", (unsigned)version, length, reused);
    SSL_SESSION_free(session);
    SSL_SESSION_free(last);
    last = NULL;
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    run(TLS1_2_VERSION, 32);
    run(TLS1_2_VERSION, 0);
    run(TLS1_3_VERSION, 32);
    run(TLS1_3_VERSION, 0);
    return 0;
}
