/*
 * A master makes one context and forks; each child then sets it up for its own service, as proftpd does for the virtual
 * host of a connection. A child that requires client certificates takes no session of one that asks nobody.
 */
#include "common.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int sessions_are_bare(void)
{
    return 1;
}

struct kept {
    unsigned char der[8192];
    int length;
};

static void offer(const char *what, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *session)
{
    Pair pair = pair_new(client, server, session);
    int done = handshake(&pair);
    printf("%s: %s\n", what, !done ? "refused" : SSL_session_reused(pair.server) ? "resumed" : "accepted");
    close_cleanly(&pair);
    SSL_SESSION_free(session);
}

static void run(int version, struct kept *kept)
{
    SSL_CTX *client = client_context("client", version), *server = server_context("server", version);
    char label[64];
    int status;
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    fflush(stdout);
    if (fork() == 0) {
        unsigned char *at = kept->der;
        SSL_SESSION *session = visit_quietly(client, server, NULL, NULL);
        kept->length = i2d_SSL_SESSION(session, &at);
        SSL_SESSION_free(session);
        _exit(0);
    }
    NEED(wait(&status) > 0 && status == 0);
    if (fork() == 0) {
        const unsigned char *at = kept->der;
        SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, kept->length);
        Pair pair = pair_new(client, server, session);
        int done = handshake(&pair);
        snprintf(label, sizeof label, "configured_alike_%s", version == TLS1_2_VERSION ? "tls12" : "tls13");
        divergence(label, "%s", done && SSL_session_reused(pair.server) ? "resumed" : "accepted");
        close_cleanly(&pair);
        SSL_SESSION_free(session);
        SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        offer("required, full", client, server, NULL);
        at = kept->der;
        offer("required, another child's", client, server, d2i_SSL_SESSION(NULL, &at, kept->length));
        fflush(stdout);
        _exit(0);
    }
    NEED(wait(&status) > 0 && status == 0);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

int main(void)
{
    struct kept *kept = mmap(NULL, sizeof *kept, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(kept != MAP_FAILED);
    heading("TLS 1.2");
    run(TLS1_2_VERSION, kept);
    heading("TLS 1.3");
    run(TLS1_3_VERSION, kept);
    return 0;
}
