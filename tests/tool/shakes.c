/*
 * A program whose contexts are of one kind, which does handshakes with itself, says so, and waits:
 *
 *     shakes client|passing|certified|crowd|departed|apart|sisters
 *
 * Its certificate is in cert.pem and key.pem.
 */
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static SSL_SESSION *last;

/* Without it, an empty store would leave untold by what clients are verified. */
static int accept_any(X509_STORE_CTX *store, void *argument)
{
    (void)store;
    (void)argument;
    return 1;
}

static SSL_CTX *server(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (ctx == NULL || SSL_CTX_use_certificate_file(ctx, "cert.pem", SSL_FILETYPE_PEM) != 1
        || SSL_CTX_use_PrivateKey_file(ctx, "key.pem", SSL_FILETYPE_PEM) != 1)
        exit(1);
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
    return ctx;
}

static void ask(SSL_CTX *ctx)
{
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"shakes", 6);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
}

static void handshake(SSL_CTX *ctx, SSL_CTX *client_ctx)
{
    SSL *ssl = SSL_new(ctx), *client = SSL_new(client_ctx);
    BIO *one, *other;

    BIO_new_bio_pair(&one, 0, &other, 0);
    SSL_set_bio(ssl, one, one);
    SSL_set_bio(client, other, other);
    SSL_set_accept_state(ssl);
    SSL_set_connect_state(client);
    if (last != NULL)
        SSL_set_session(client, last);
    for (int turn = 0; turn < 10; turn++) {
        SSL_do_handshake(client);
        SSL_do_handshake(ssl);
    }
    if (!SSL_is_init_finished(ssl) || !SSL_is_init_finished(client))
        exit(1);
    SSL_SESSION_free(last);
    last = SSL_get1_session(client);
    SSL_shutdown(client);
    SSL_shutdown(ssl);
    SSL_free(client);
    SSL_free(ssl);
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    SSL_CTX *client = SSL_CTX_new(TLS_client_method()), *crowd[40];

    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
    if (strcmp(kind, "client") == 0) {
        SSL_CTX *ctx = server();

        for (int i = 0; i < 20; i++)
            handshake(ctx, client);
    } else if (strcmp(kind, "passing") == 0 || strcmp(kind, "certified") == 0) {
        for (int i = 0; i < 20; i++) {
            SSL_CTX *ctx = server();

            if (strcmp(kind, "certified") == 0)
                SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
            handshake(ctx, client);
            SSL_CTX_free(ctx);
        }
    } else if (strcmp(kind, "crowd") == 0) {
        for (int i = 0; i < 40; i++)
            crowd[i] = server();
        for (int i = 0; i < 3; i++)
            for (int j = 20; j < 25; j++)
                handshake(crowd[j], client);
    } else if (strcmp(kind, "departed") == 0) {
        SSL_CTX *ctx = server();

        for (int i = 0; i < 20; i++) {
            if (fork() == 0) {
                handshake(ctx, client);
                exit(0);
            }
            wait(NULL);
        }
    }
    if (strcmp(kind, "apart") == 0) {
        SSL_CTX *anybody = server(), *asking = server();

        ask(asking);
        handshake(anybody, client);
        handshake(asking, client);
    } else if (strcmp(kind, "sisters") == 0) {
        SSL_CTX *ctx = server();
        int ready[2];
        char byte;

        if (pipe(ready) != 0)
            exit(1);
        for (int i = 0; i < 2; i++) {
            if (fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (i == 1)
                    ask(ctx);
                handshake(ctx, client);
                if (write(ready[1], "", 1) == 1)
                    pause();
                exit(1);
            }
            if (read(ready[0], &byte, 1) != 1)
                exit(1);
        }
    }
    /* The statistics are written at most a second late, by the next call that comes by. */
    usleep(1100000);
    SSL_free(SSL_new(client));
    puts("done");
    fclose(stdout);
    pause();
    return 0;
}
