/*
 * Clients that all come once, then all come back: how many were resumed?
 *
 *     client ADDRESS CERTIFICATE 1.2|1.3 CLIENTS
 *
 * ADDRESS is a port on 127.0.0.1 or the path of a Unix socket; the server must show CERTIFICATE, so
 * that no stranger on a port of the same number is taken for it. Prints one line,
 *
 *     full=100 resumed=100 held=server
 *
 * where `held` says who keeps the sessions: the server under an id (or under a TLS 1.3 stateful
 * ticket, which is an id too), the client in a sealed ticket, `both` or `none`.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* What a client that has come once brings along: its newest session, the way browsers keep it. */
struct visitor {
    SSL_SESSION *session;
};

static const char *address;

static void die(const char *what)
{
    fprintf(stderr, "client: %s: %s\n", address, what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int open_socket(void)
{
    struct timeval patience = {.tv_sec = 10};
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr *peer = (struct sockaddr *)&inet;
    socklen_t length = sizeof inet;
    int fd;

    if (strchr(address, '/') != NULL) {
        if (strlen(address) >= sizeof local.sun_path)
            die("path too long for a socket");
        strcpy(local.sun_path, address);
        peer = (struct sockaddr *)&local;
        length = sizeof local;
    } else {
        inet.sin_port = htons((uint16_t)atoi(address));
    }
    fd = socket(peer->sa_family, SOCK_STREAM, 0);
    /* A server that stops answering must fail the caller, not hang it. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        die(strerror(errno));
    if (connect(fd, peer, length) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The server may still be starting: the first connection is tried for ten seconds. */
static int reach_server(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int fd = open_socket();

    for (int tries = 0; fd < 0 && tries < 1000; tries++) {
        nanosleep(&pause, NULL);
        fd = open_socket();
    }
    if (fd < 0)
        die("cannot connect");
    return fd;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct visitor *visitor = SSL_get_app_data(ssl);

    SSL_SESSION_free(visitor->session);
    visitor->session = session;
    return 1; /* the reference is ours now */
}

/* One visit: handshake, a request, the whole answer (TLS 1.3 tickets come with it), both goodbyes.
 * Without ours the server would have to forget the session. */
static int visit(SSL_CTX *ctx, struct visitor *visitor)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    char answer[4096];
    size_t got;
    int fd = reach_server();
    SSL *ssl = SSL_new(ctx);
    int reused;

    if (ssl == NULL || !SSL_set_fd(ssl, fd) || !SSL_set_app_data(ssl, visitor))
        die("SSL_new");
    if (visitor->session != NULL && !SSL_set_session(ssl, visitor->session))
        die("SSL_set_session");
    if (SSL_connect(ssl) != 1)
        die("handshake");
    reused = SSL_session_reused(ssl);
    if (SSL_write(ssl, request, sizeof request - 1) <= 0)
        die("request");
    while (SSL_read_ex(ssl, answer, sizeof answer, &got))
        ;
    if (SSL_get_error(ssl, 0) != SSL_ERROR_ZERO_RETURN)
        die("answer cut short");
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    return reused;
}

/* A stateful ticket is as long as a session id; a sealed one holds a whole session. */
static int held_by_server(const SSL_SESSION *session)
{
    const unsigned char *ticket;
    size_t length;
    unsigned int id_length;

    SSL_SESSION_get_id(session, &id_length);
    SSL_SESSION_get0_ticket(session, &ticket, &length);
    return length == 0 ? id_length > 0 : length <= SSL_MAX_SSL_SESSION_ID_LENGTH;
}

static const char *holder(const struct visitor *visitors, int count)
{
    int server = 0, client = 0;

    for (int i = 0; i < count; i++) {
        if (visitors[i].session == NULL)
            continue;
        if (held_by_server(visitors[i].session))
            server++;
        else if (SSL_SESSION_has_ticket(visitors[i].session))
            client++;
    }
    return server && client ? "both" : server ? "server" : client ? "client" : "none";
}

static SSL_CTX *client_context(const char *certificate, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, version)
        || !SSL_CTX_set_max_proto_version(ctx, version)
        || !SSL_CTX_load_verify_locations(ctx, certificate, NULL))
        die("client context");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    return ctx;
}

int main(int argc, char **argv)
{
    int count = argc == 5 ? atoi(argv[4]) : 0;
    int resumed[2] = {0, 0};
    struct visitor *visitors;
    const char *held;
    SSL_CTX *ctx;

    if (count <= 0) {
        fprintf(stderr, "usage: client ADDRESS CERTIFICATE 1.2|1.3 CLIENTS\n");
        return 2;
    }
    address = argv[1];
    signal(SIGPIPE, SIG_IGN); /* a server that goes away is an error to report, not a death */
    ctx = client_context(argv[2], strcmp(argv[3], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
    visitors = calloc((size_t)count, sizeof *visitors);
    if (visitors == NULL)
        die("out of memory");
    for (int i = 0; i < count; i++)
        resumed[0] += visit(ctx, &visitors[i]);
    held = holder(visitors, count);
    for (int i = 0; i < count; i++)
        resumed[1] += visit(ctx, &visitors[i]);
    printf("full=%d resumed=%d held=%s\n", count - resumed[0], resumed[1], held);
    for (int i = 0; i < count; i++)
        SSL_SESSION_free(visitors[i].session);
    free(visitors);
    SSL_CTX_free(ctx);
    return 0;
}
