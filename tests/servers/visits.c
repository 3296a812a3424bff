#include "visits.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* What is said, with its length: there may be a NUL in it. */
#define WORDS(text) text, sizeof text - 1
#define NOTHING NULL, 0

/* What is said in the clear before the handshake, and what is asked after it. */
static const struct talk {
    const char *name;
    int greeted; /* the server speaks first */
    int abrupt;  /* the server closes without goodbye */
    const char *before;
    size_t before_length;
    char answer_ends; /* the last byte of the answer to that */
    const char *request;
    size_t request_length;
} talks[] = {
    {"http", 0, 0, NOTHING, 0, WORDS("GET / HTTP/1.0\r\n\r\n")},
    {"abrupt", 0, 1, NOTHING, 0, WORDS("GET / HTTP/1.0\r\n\r\n")},
    {"redis", 0, 0, NOTHING, 0, WORDS("QUIT\r\n")},
    {"smtp", 0, 0, NOTHING, 0, WORDS("QUIT\r\n")},
    {"imap", 0, 0, NOTHING, 0, WORDS("a LOGOUT\r\n")},
    {"ftp", 1, 0, WORDS("AUTH TLS\r\n"), '\n', WORDS("QUIT\r\n")},
    {"abrupt-ftp", 1, 1, WORDS("AUTH TLS\r\n"), '\n', WORDS("QUIT\r\n")},
    /* CONNECT as nobody in particular, DISCONNECT. */
    {"mqtt", 0, 0, NOTHING, 0, WORDS("\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0\xe0\0")},
    /* A request for TLS, which is answered by one letter; the user postgres, who goes at once. */
    {"postgres", 0, 0, WORDS("\0\0\0\x08\x04\xd2\x16\x2f"), 'S',
     WORDS("\0\0\0\x17\0\3\0\0user\0postgres\0\0X\0\0\0\4")},
};

void die(const char *address, const char *what)
{
    fprintf(stderr, "client: %s: %s\n", address, what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct visitor *visitor = SSL_get_app_data(ssl);

    SSL_SESSION_free(visitor->session);
    visitor->session = session;
    return 1; /* the reference is ours now */
}

SSL_CTX *client_context(const char *certificate, const char *version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int number = strcmp(version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

    if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, number)
        || !SSL_CTX_set_max_proto_version(ctx, number)
        || !SSL_CTX_load_verify_locations(ctx, certificate, NULL))
        die(certificate, "client context");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    signal(SIGPIPE, SIG_IGN); /* a server that goes away is an error to report, not a death */
    return ctx;
}

static int open_socket(const char *address)
{
    struct timeval patience = {.tv_sec = 10};
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr *peer = (struct sockaddr *)&inet;
    socklen_t length = sizeof inet;
    int fd;

    if (strchr(address, '/') != NULL) {
        if (strlen(address) >= sizeof local.sun_path)
            die(address, "path too long for a socket");
        strcpy(local.sun_path, address);
        peer = (struct sockaddr *)&local;
        length = sizeof local;
    } else {
        inet.sin_port = htons((uint16_t)atoi(address));
    }
    fd = socket(peer->sa_family, SOCK_STREAM, 0);
    /* A server that stops answering must fail the caller, not hang it. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        die(address, strerror(errno));
    /* A request behind a Finished would wait for an acknowledgement that takes its time. */
    if (peer->sa_family == AF_INET && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0)
        die(address, strerror(errno));
    if (connect(fd, peer, length) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int reach(const char *address)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int fd = open_socket(address);

    for (int tries = 0; fd < 0 && tries < 1000; tries++) {
        nanosleep(&pause, NULL);
        fd = open_socket(address);
    }
    if (fd < 0)
        die(address, "cannot connect");
    return fd;
}

/* Byte by byte: what follows may be TLS. */
static void skip_through(char last, int fd, const char *address)
{
    char byte = !last;

    while (byte != last)
        if (read(fd, &byte, 1) != 1)
            die(address, "no greeting");
}

const char *server_name;

SSL *begin(SSL_CTX *ctx, int fd, const char *address, SSL_SESSION *offered, struct visitor *visitor)
{
    SSL *ssl = SSL_new(ctx);

    if (ssl == NULL || !SSL_set_fd(ssl, fd) || !SSL_set_app_data(ssl, visitor))
        die(address, "SSL_new");
    if (offered != NULL && !SSL_set_session(ssl, offered))
        die(address, "SSL_set_session");
    if (server_name != NULL && !SSL_set_tlsext_host_name(ssl, server_name))
        die(address, "SSL_set_tlsext_host_name");
    return ssl;
}

SSL *shake_hands(SSL_CTX *ctx, int fd, const char *address, SSL_SESSION *offered, struct visitor *visitor)
{
    SSL *ssl = begin(ctx, fd, address, offered, visitor);

    if (SSL_connect(ssl) != 1)
        die(address, "handshake");
    return ssl;
}

/* OpenSSL 1.1.1 cannot be told to take the mere end of a connection for a goodbye: there, the end is one. */
static int is_over(SSL *ssl)
{
    int error = SSL_get_error(ssl, 0);

    return error == SSL_ERROR_ZERO_RETURN
           || (SSL_OP_IGNORE_UNEXPECTED_EOF == 0 && error == SSL_ERROR_SYSCALL && errno == 0);
}

void part(SSL *ssl, const char *address)
{
    char answer[4096];
    size_t got;

    do
        errno = 0;
    while (SSL_read_ex(ssl, answer, sizeof answer, &got));
    if (!is_over(ssl))
        die(address, "answer cut short");
    SSL_shutdown(ssl);
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

static const struct talk *find_talk(const char *name)
{
    for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++)
        if (strcmp(talks[i].name, name) == 0)
            return &talks[i];
    die(name, "do not know how to talk like that");
}

/* A connected socket on which the handshake is next. */
static int reach_and_greet(const char *address, const struct talk *talk)
{
    int fd = reach(address);

    if (talk->greeted)
        skip_through('\n', fd, address);
    if (talk->before != NULL) {
        if (write(fd, talk->before, talk->before_length) < 0)
            die(address, strerror(errno));
        skip_through(talk->answer_ends, fd, address);
    }
    return fd;
}

/* Over HTTP, a server that has several names is told which is meant. */
static int ask(SSL *ssl, const struct talk *talk)
{
    char named[128];
    int length;

    if (server_name == NULL || strncmp(talk->request, "GET ", 4) != 0)
        return SSL_write(ssl, talk->request, (int)talk->request_length) > 0;
    length = snprintf(named, sizeof named, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", server_name);
    return length < (int)sizeof named && SSL_write(ssl, named, length) > 0;
}

int visit(SSL_CTX *ctx, const char *address, const char *talk_name, struct visitor *visitor)
{
    const struct talk *talk = find_talk(talk_name);
    SSL *ssl = shake_hands(ctx, reach_and_greet(address, talk), address, visitor->session, visitor);
    int reused = SSL_session_reused(ssl);

    if (talk->abrupt)
        SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* TLS 1.3 tickets come with the answer. */
    if (!ask(ssl, talk))
        die(address, "request");
    part(ssl, address);
    return reused;
}

int is_let_in(SSL_CTX *ctx, const char *address, const char *talk_name, struct visitor *visitor, int *reused)
{
    const struct talk *talk = find_talk(talk_name);
    SSL *ssl = begin(ctx, reach_and_greet(address, talk), address, visitor->session, visitor);
    char answer[4096];
    int answered = 0;
    size_t got;

    *reused = 0;
    if (SSL_connect(ssl) == 1) {
        *reused = SSL_session_reused(ssl);
        /* Over TLS 1.3 a server refuses after the client's part of the handshake is over. */
        answered = ask(ssl, talk) && SSL_read_ex(ssl, answer, sizeof answer, &got)
                   && (got < 12 || strncmp(answer, "HTTP/", 5) != 0 || strncmp(answer + 8, " 200", 4) == 0);
        SSL_shutdown(ssl);
    }
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
    ERR_clear_error();
    return answered;
}

int held_by_server(const SSL_SESSION *session)
{
    const unsigned char *ticket;
    size_t length;
    unsigned int id_length;

    SSL_SESSION_get_id(session, &id_length);
    SSL_SESSION_get0_ticket(session, &ticket, &length);
    /* A stateful ticket is as long as a session id; a sealed one holds a whole session. */
    return length == 0 ? id_length > 0 : length <= SSL_MAX_SSL_SESSION_ID_LENGTH;
}
