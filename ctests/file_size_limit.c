/*
 * A process that may hardly write a file: the figures that it would show must not end it, as the kernel does with a
 * process that goes beyond its limit. getrlimit(2), RLIMIT_FSIZE.
 */
#include "common.h"

#include <sys/resource.h>

int main(void)
{
    const struct rlimit limit = {4096, 4096};
    SSL_CTX *server, *client;
    SSL_SESSION *session;
    NEED(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    server = server_context("server", TLS1_2_VERSION);
    client = client_context("client", TLS1_2_VERSION);
    session = visit("full", client, server, NULL);
    SSL_SESSION_free(visit("again", client, server, session));
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
