/*
 * Callbacks that run after libssl has asked for a session give a connection its rules: by the server name, where there is
 * none, or by the protocol. A worker whose callbacks demand a certificate takes no session of one whose callbacks do not,
 * however late its own have begun to.
 */
#include "common.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int sessions_are_bare(void)
{
    return 1;
}

static const unsigned char protocols[] = "\2h2";

static SSL_CTX *server, *client;
static int demands;
static const char *name;

static struct {
    unsigned char der[8192];
    int length;
} *kept;

static void demand(SSL *ssl)
{
    if (demands)
        SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static int by_name(SSL *ssl, int *alert, void *argument)
{
    (void)alert, (void)argument;
    demand(ssl);
    return SSL_TLSEXT_ERR_OK;
}

static int by_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *length, const unsigned char *offered,
                       unsigned offered_length, void *argument)
{
    (void)offered_length, (void)argument;
    *chosen = offered + 1;
    *length = offered[0];
    demand(ssl);
    return SSL_TLSEXT_ERR_OK;
}

static SSL_SESSION *kept_session(void)
{
    const unsigned char *at = kept->der;
    return d2i_SSL_SESSION(NULL, &at, kept->length);
}

static const char *go(SSL_SESSION *offered, int keeps)
{
    Pair pair = pair_new(client, server, offered);
    const char *answer;
    SSL_set_alpn_protos(pair.client, protocols, 3);
    if (name != NULL)
        SSL_set_tlsext_host_name(pair.client, name);
    answer = !handshake(&pair) ? "refused" : SSL_session_reused(pair.server) ? "resumed" : "accepted";
    if (keeps) {
        unsigned char *at = kept->der;
        kept->length = i2d_SSL_SESSION(SSL_get_session(pair.client), &at);
    }
    close_cleanly(&pair);
    SSL_SESSION_free(offered);
    return answer;
}

static void in_a_worker(void (*work)(void))
{
    int status;
    fflush(stdout);
    if (fork() == 0) {
        work();
        fflush(stdout);
        _exit(0);
    }
    NEED(wait(&status) > 0 && status == 0);
}

static void asks_nobody(void)
{
    go(NULL, 1);
}

static void begins_to_ask(void)
{
    go(NULL, 0);
    demands = 1;
    printf("what another worker has made: %s\n", go(kept_session(), 0));
    printf("again: %s\n", go(kept_session(), 0));
    printf("no session: %s\n", go(NULL, 0));
}

static void asks_from_the_first(void)
{
    demands = 1;
    printf("at the first connection: %s\n", go(kept_session(), 0));
}

static void run(const char *what, int version, const char *of, int protocol)
{
    name = of;
    server = server_context("server", version);
    client = client_context("client", version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    if (protocol)
        SSL_CTX_set_alpn_select_cb(server, by_protocol, NULL);
    else
        SSL_CTX_set_tlsext_servername_callback(server, by_name);
    heading("%s, %s", what, version == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3");
    in_a_worker(asks_nobody);
    in_a_worker(begins_to_ask);
    in_a_worker(asks_from_the_first);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

int main(void)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    int i;
    kept = mmap(NULL, sizeof *kept, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(kept != MAP_FAILED);
    for (i = 0; i < 2; i++) {
        run("a name", versions[i], "shop", 0);
        run("no name", versions[i], NULL, 0);
        run("a protocol", versions[i], NULL, 1);
    }
    return 0;
}
