/*
 * A threaded server that makes its contexts anew all the time, as programs do that read their certificates again:
 *
 *     server CERTIFICATE PORT
 *
 * Each thread accepts, shakes hands over the context whose turn it is, answers "hello" and says goodbye.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { THREADS = 4, CONTEXTS = 4, CONNECTIONS_A_CONTEXT = 500 };

static const char *certificate;
static int listener;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static SSL_CTX *contexts[CONTEXTS];
static unsigned long turn;

static SSL_CTX *make(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, certificate, SSL_FILETYPE_PEM) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"soak", 4);
    SSL_CTX_sess_set_cache_size(ctx, 500);
    return ctx;
}

/* The next context, with a reference; now and then a new one takes its place first. */
static SSL_CTX *next_context(void)
{
    pthread_mutex_lock(&lock);
    SSL_CTX **place = &contexts[turn / CONNECTIONS_A_CONTEXT % CONTEXTS], *old = NULL;
    if (turn++ % CONNECTIONS_A_CONTEXT == 0) {
        SSL_CTX *made = make();
        if (made != NULL) {
            old = *place;
            *place = made;
        }
    }
    SSL_CTX *ctx = *place;
    if (ctx != NULL)
        SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&lock);
    SSL_CTX_free(old);
    return ctx;
}

static void *serve(void *unused)
{
    struct timeval patience = {5, 0};
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            continue;
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        SSL_CTX *ctx = next_context();
        SSL *ssl = ctx == NULL ? NULL : SSL_new(ctx);
        char request[100];
        if (ssl != NULL && SSL_set_fd(ssl, connection) && SSL_accept(ssl) == 1 &&
            SSL_read(ssl, request, sizeof request) > 0 && SSL_write(ssl, "hello", 5) == 5)
            if (SSL_shutdown(ssl) == 0)
                SSL_shutdown(ssl);
        SSL_free(ssl);
        SSL_CTX_free(ctx);
        close(connection);
    }
    return unused;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    pthread_t thread;
    if (argc != 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    certificate = argv[1];
    address.sin_port = htons(atoi(argv[2]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0) {
        perror("server");
        return 1;
    }
    for (int i = 1; i < THREADS; i++)
        pthread_create(&thread, NULL, serve, NULL);
    serve(NULL);
}
