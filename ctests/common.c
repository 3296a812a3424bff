/* What the programs share: see common.h. */
#include "common.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((constructor)) static void line_buffered(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
}

#ifdef __SANITIZE_THREAD__
/*
 * The host's counts of references are not compiled for ThreadSanitizer: without this, what one thread does with a session
 * and the free() by which another releases the last reference look unordered. The linker sends the programs' calls here.
 */
void __tsan_acquire(void *);
void __tsan_release(void *);
void __real_SSL_SESSION_free(SSL_SESSION *);
void __wrap_SSL_SESSION_free(SSL_SESSION *);

void __wrap_SSL_SESSION_free(SSL_SESSION *session)
{
    __tsan_release(session);
    __tsan_acquire(session);
    __real_SSL_SESSION_free(session);
}
#endif

void trace_value(const char *expression, long value)
{
    printf("%s = %ld\n", expression, value);
}

void trace_pointer(const char *expression, const void *value)
{
    printf("%s = %s\n", expression, value == NULL ? "NULL" : "set");
}

void give_up(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: needed: %s\n", file, line, condition);
    ERR_print_errors_fp(stderr);
    abort();
}

void heading(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("-- ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

void divergence(const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("divergence %s: ", name);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

const char *ending_in_child(void (*body)(void))
{
    static char ending[64];
    int status;
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        alarm(40);
        body();
        _exit(0);
    }
    NEED(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status))
        snprintf(ending, sizeof ending, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(ending, sizeof ending, "exited %d", WEXITSTATUS(status));
    return ending;
}

/* Sessions */

/* Every SSL_SESSION of the process, told by libcrypto of its birth and its end. */
typedef struct Alive {
    SSL_SESSION *session;
    struct Alive *next;
    struct Alive **link;
} Alive;

static Alive *alive;
static pthread_mutex_t alive_lock = PTHREAD_MUTEX_INITIALIZER;
static int alive_index = -1, label_index = -1;
static pthread_once_t indices_once = PTHREAD_ONCE_INIT;

static void session_born(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    Alive *born = malloc(sizeof *born);
    (void)ptr, (void)argl, (void)argp;
    NEED(born != NULL && CRYPTO_set_ex_data(ad, idx, born));
    born->session = parent;
    pthread_mutex_lock(&alive_lock);
    born->next = alive;
    born->link = &alive;
    if (alive != NULL)
        alive->link = &born->next;
    alive = born;
    pthread_mutex_unlock(&alive_lock);
}

/* A copied session was born before it was copied to. */
static int session_copied(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **value, int idx, long argl, void *argp)
{
    (void)from, (void)argl, (void)argp;
    *value = CRYPTO_get_ex_data(to, idx);
    return 1;
}

static void session_gone(void *parent, void *value, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    Alive *gone = value;
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (gone == NULL)
        return;
    pthread_mutex_lock(&alive_lock);
    *gone->link = gone->next;
    if (gone->next != NULL)
        gone->next->link = gone->link;
    pthread_mutex_unlock(&alive_lock);
    free(gone);
}

static void label_gone(void *parent, void *label, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (label != NULL)
        printf("freed %s\n", (const char *)label);
}

__attribute__((weak)) int sessions_are_bare(void)
{
    return 0;
}

static void make_indices(void)
{
    if (sessions_are_bare())
        return;
    alive_index = SSL_SESSION_get_ex_new_index(0, NULL, session_born, session_copied, session_gone);
    label_index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, label_gone);
    NEED(alive_index >= 0 && label_index >= 0);
}

long live_sessions(void)
{
    static const char sentinel[] = "sslcache sentinel";
    Alive *each;
    long count = 0;
    pthread_once(&indices_once, make_indices);
    pthread_mutex_lock(&alive_lock);
    for (each = alive; each != NULL; each = each->next) {
        unsigned length;
        const unsigned char *id = SSL_SESSION_get_id(each->session, &length);
        count += length != sizeof sentinel - 1 || memcmp(id, sentinel, length) != 0;
    }
    pthread_mutex_unlock(&alive_lock);
    return count;
}

SSL_SESSION *make_session_id(const char *label, int version, unsigned char fill, unsigned length)
{
    unsigned char id[SSL_MAX_SSL_SESSION_ID_LENGTH];
    SSL_SESSION *session;
    pthread_once(&indices_once, make_indices);
    memset(id, fill, sizeof id);
    session = SSL_SESSION_new();
    NEED(session != NULL && SSL_SESSION_set1_id(session, id, length));
    NEED(SSL_SESSION_set_protocol_version(session, version));
    NEED(SSL_SESSION_set_ex_data(session, label_index, (void *)label));
    return session;
}

SSL_SESSION *make_session(const char *label, int version, const char *id)
{
    unsigned char padded[SSL_MAX_SSL_SESSION_ID_LENGTH];
    SSL_SESSION *session = make_session_id(label, version, '.', sizeof padded);
    memset(padded, '.', sizeof padded);
    memcpy(padded, id, strlen(id));
    NEED(SSL_SESSION_set1_id(session, padded, sizeof padded));
    return session;
}

const char *id_name(const unsigned char *id, unsigned length)
{
    static struct {
        unsigned length;
        unsigned char id[SSL_MAX_SSL_SESSION_ID_LENGTH];
        char name[16];
    } seen[1024];
    static unsigned count;
    unsigned i;
    if (length == 0)
        return "empty";
    for (i = 0; i < count; i++)
        if (seen[i].length == length && memcmp(seen[i].id, id, length) == 0)
            return seen[i].name;
    NEED(count < sizeof seen / sizeof seen[0] && length <= sizeof seen[0].id);
    seen[count].length = length;
    memcpy(seen[count].id, id, length);
    snprintf(seen[count].name, sizeof seen[count].name, "id%u", count + 1);
    return seen[count++].name;
}

const char *session_id_name(const SSL_SESSION *session)
{
    unsigned length;
    const unsigned char *id = SSL_SESSION_get_id(session, &length);
    return id_name(id, length);
}

SSL_SESSION *decoded_copy(const SSL_SESSION *session)
{
    unsigned char *der = NULL;
    const unsigned char *cursor;
    SSL_SESSION *copy;
    int length = i2d_SSL_SESSION((SSL_SESSION *)session, &der);
    NEED(length > 0);
    cursor = der;
    copy = d2i_SSL_SESSION(NULL, &cursor, length);
    NEED(copy != NULL);
    OPENSSL_free(der);
    return copy;
}

/* Contexts */

static int name_index = -1;
static EVP_PKEY *key;
static X509 *certificate;
static pthread_once_t identity_once = PTHREAD_ONCE_INIT;

static void name_contexts(void)
{
    name_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    NEED(name_index >= 0);
}

static void make_identity(void)
{
    X509_NAME *name;
    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    NEED(key != NULL && certificate != NULL);
    name = X509_get_subject_name(certificate);
    NEED(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"ctests", -1, -1, 0));
    NEED(X509_set_version(certificate, X509_VERSION_3));
    NEED(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1));
    NEED(X509_set_issuer_name(certificate, name));
    NEED(X509_gmtime_adj(X509_getm_notBefore(certificate), -86400));
    NEED(X509_gmtime_adj(X509_getm_notAfter(certificate), 86400));
    NEED(X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()));
    name_contexts();
}

__attribute__((destructor)) static void free_identity(void)
{
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void make_certificate(void)
{
    pthread_once(&identity_once, make_identity);
}

void take_certificate(X509 *made, EVP_PKEY *its_key)
{
    pthread_once(&identity_once, name_contexts);
    certificate = made;
    key = its_key;
}

static SSL_CTX *make_context(const char *name, int version)
{
    int datagrams = version == DTLS1_2_VERSION;
    SSL_CTX *ctx;
    pthread_once(&indices_once, make_indices);
    make_certificate();
    ctx = SSL_CTX_new(datagrams ? DTLS_method() : TLS_method());
    NEED(ctx != NULL && SSL_CTX_set_ex_data(ctx, name_index, (void *)name));
    NEED(SSL_CTX_set_min_proto_version(ctx, version) && SSL_CTX_set_max_proto_version(ctx, version));
    /* TLS 1.2 resumes by session id here; the tests of TLS 1.3 choose for themselves. */
    if (version != TLS1_3_VERSION)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

SSL_CTX *client_context(const char *name, int version)
{
    return make_context(name, version);
}

SSL_CTX *with_tickets(SSL_CTX *ctx)
{
    SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

SSL_CTX *server_context(const char *name, int version)
{
    SSL_CTX *ctx = make_context(name, version);
    NEED(SSL_CTX_use_certificate(ctx, certificate) && SSL_CTX_use_PrivateKey(ctx, key));
    NEED(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"ctests", 6));
    return ctx;
}

const char *context_name(const SSL_CTX *ctx)
{
    const char *name = ctx == NULL ? "NULL" : SSL_CTX_get_ex_data(ctx, name_index);
    return name == NULL ? "unnamed" : name;
}

void print_counters(SSL_CTX *ctx)
{
    printf("%s: number %ld connect %ld/%ld/%ld accept %ld/%ld/%ld hits %ld cb_hits %ld misses %ld"
           " timeouts %ld cache_full %ld\n",
           context_name(ctx), SSL_CTX_sess_number(ctx), SSL_CTX_sess_connect(ctx),
           SSL_CTX_sess_connect_good(ctx), SSL_CTX_sess_connect_renegotiate(ctx),
           SSL_CTX_sess_accept(ctx), SSL_CTX_sess_accept_good(ctx),
           SSL_CTX_sess_accept_renegotiate(ctx), SSL_CTX_sess_hits(ctx), SSL_CTX_sess_cb_hits(ctx),
           SSL_CTX_sess_misses(ctx), SSL_CTX_sess_timeouts(ctx), SSL_CTX_sess_cache_full(ctx));
}

/* Handshakes */

Pair pair_new(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *offered)
{
    Pair pair = { SSL_new(client), SSL_new(server) };
    BIO *ours, *theirs;
    NEED(pair.client != NULL && pair.server != NULL);
    NEED(BIO_new_bio_pair(&ours, 1 << 16, &theirs, 1 << 16));
    SSL_set_bio(pair.client, ours, ours);
    SSL_set_bio(pair.server, theirs, theirs);
    SSL_set_connect_state(pair.client);
    SSL_set_accept_state(pair.server);
    if (SSL_is_dtls(pair.client)) {
        SSL_set_options(pair.client, SSL_OP_NO_QUERY_MTU);
        SSL_set_options(pair.server, SSL_OP_NO_QUERY_MTU);
        NEED(DTLS_set_link_mtu(pair.client, 1500) && DTLS_set_link_mtu(pair.server, 1500));
    }
    if (offered != NULL)
        NEED(SSL_set_session(pair.client, offered));
    return pair;
}

/* 1 done, 0 wants more, -1 failed */
static int advance(SSL *ssl)
{
    int result, reason;
    ERR_clear_error();
    result = SSL_do_handshake(ssl);
    reason = SSL_get_error(ssl, result);
    if (result == 1)
        return 1;
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* Reads where nothing is to be read but what the protocol itself sends. */
static int hear(SSL *ssl)
{
    char byte;
    int result;
    ERR_clear_error();
    result = SSL_read(ssl, &byte, 1);
    return result > 0 || SSL_get_error(ssl, result) != SSL_ERROR_SSL;
}

int handshake(Pair *pair)
{
    int client = 0, server = 0, round;
    for (round = 0; round < 50 && (client == 0 || server == 0); round++) {
        if (client == 0)
            client = advance(pair->client);
        if (server == 0)
            server = advance(pair->server);
    }
    /* Lets each side see what the other sent last: tickets, or the alert of a failure. */
    if (client == 1 && !hear(pair->client))
        client = -1;
    if (server == 1 && !hear(pair->server))
        server = -1;
    ERR_clear_error();
    return client == 1 && server == 1;
}

void free_both(Pair *pair)
{
    SSL_free(pair->client);
    SSL_free(pair->server);
    pair->client = pair->server = NULL;
}

void close_cleanly(Pair *pair)
{
    SSL_shutdown(pair->client);
    SSL_shutdown(pair->server);
    SSL_shutdown(pair->client);
    ERR_clear_error();
    free_both(pair);
}

SSL_SESSION *visit_quietly(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *offered, int *reused)
{
    SSL_SESSION *session = NULL;
    Pair pair = pair_new(client, server, offered);
    int done = handshake(&pair);
    if (reused != NULL)
        *reused = done && SSL_session_reused(pair.client) && SSL_session_reused(pair.server);
    if (done)
        session = SSL_get1_session(pair.client);
    close_cleanly(&pair);
    return session;
}

SSL_SESSION *visit(const char *what, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *offered)
{
    SSL_SESSION *session = NULL;
    Pair pair = pair_new(client, server, offered);
    if (handshake(&pair)) {
        printf("%s: reused client %d server %d\n", what, SSL_session_reused(pair.client),
               SSL_session_reused(pair.server));
        session = SSL_get1_session(pair.client);
    } else {
        printf("%s: handshake failed\n", what);
    }
    close_cleanly(&pair);
    return session;
}

/* Callbacks */

int new_answer;

int trace_new(SSL *ssl, SSL_SESSION *session)
{
    unsigned length;
    SSL_SESSION_get_id(session, &length);
    printf("  new(%s, %s of %u bytes, resumable %d) -> %d\n", context_name(SSL_get_SSL_CTX(ssl)),
           session_id_name(session), length, SSL_SESSION_is_resumable(session), new_answer);
    return new_answer;
}

SSL_SESSION *trace_get(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    printf("  get(%s, %s of %d bytes, copy %d) -> NULL\n", context_name(SSL_get_SSL_CTX(ssl)),
           id_name(id, (unsigned)length), length, *copy);
    return NULL;
}

void trace_remove(SSL_CTX *ctx, SSL_SESSION *session)
{
    unsigned length;
    SSL_SESSION_get_id(session, &length);
    printf("  remove(%s, %s of %u bytes, resumable %d)\n", context_name(ctx),
           session_id_name(session), length, SSL_SESSION_is_resumable(session));
}

void trace_callbacks(SSL_CTX *ctx)
{
    SSL_CTX_sess_set_new_cb(ctx, trace_new);
    SSL_CTX_sess_set_get_cb(ctx, trace_get);
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
}
