/*
 * A module that makes and uses contexts through calls that leave no frame of its own behind, so that
 * nobody can tell by the caller whose they are, and that has its own value in a context's ex_data.
 * Whichever libssl it is linked with, or has linked in, is the one that serves it. LIBSSL.md
 * section 3.
 */
#include "common.h"

static SSL_CTX *ctx;
static int own_index;
static char own_value[] = "the module's";
static SSL *left;
static SSL_SESSION *kept;

__attribute__((visibility("default"))) void module_open(const char *name);
__attribute__((visibility("default"))) void module_use(const char *name);
__attribute__((visibility("default"))) long module_matches(void);
__attribute__((visibility("default"))) long module_timeout(void);
__attribute__((visibility("default"))) void module_free(const char *name);
__attribute__((visibility("default"))) void module_close(const char *name);

/* With -foptimize-sibling-calls each of these is a jump. */
__attribute__((noinline)) static SSL_CTX *make(const SSL_METHOD *method)
{
    return SSL_CTX_new(method);
}

__attribute__((noinline)) static int add(SSL_CTX *to, SSL_SESSION *session)
{
    return SSL_CTX_add_session(to, session);
}

__attribute__((noinline)) static int take_away(SSL_CTX *from, SSL_SESSION *session)
{
    return SSL_CTX_remove_session(from, session);
}

__attribute__((noinline)) static void clear(SSL_CTX *of, long t)
{
    SSL_CTX_flush_sessions(of, t);
}

static void connection_gone(void *ssl, void *value, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)value, (void)ad, (void)idx, (void)argl;
    if (ssl == left)
        printf("freed by the libssl of %s\n", (const char *)argp);
}

/* These end by a jump, too, and who has called them is not linked with any libssl. */
long module_matches(void)
{
    return SSL_has_matching_session_id(left, SSL_SESSION_get_id(kept, NULL), 32);
}

long module_timeout(void)
{
    return SSL_SESSION_set_timeout(kept, 99);
}

void module_free(const char *name)
{
    (void)name;
    SSL_free(left);
}

void module_open(const char *name)
{
    static char own_name[32];
    printf("== %s opens\n", name);
    own_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    ctx = make(TLS_server_method());
    NEED(ctx != NULL && own_index > 0 && SSL_CTX_set_ex_data(ctx, own_index, own_value));
    TRACE(SSL_CTX_get_ssl_method(ctx) == TLS_server_method());
    snprintf(own_name, sizeof own_name, "%s", name);
    NEED(SSL_get_ex_new_index(0, own_name, NULL, NULL, connection_gone) > 0);
    left = SSL_new(ctx);
    kept = make_session("kept", TLS1_2_VERSION, "kept");
    NEED(left != NULL && kept != NULL);
}

void module_use(const char *name)
{
    SSL_SESSION *a = make_session("a", TLS1_2_VERSION, "a");
    SSL_SESSION *b = make_session("b", TLS1_2_VERSION, "b");
    SSL *ssl = SSL_new(ctx);
    printf("== %s\n", name);
    NEED(ssl != NULL);
    TRACE(SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_BOTH));
    TRACE(SSL_CTX_get_session_cache_mode(ctx));
    TRACE(add(ctx, a));
    TRACE(add(ctx, b));
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_has_matching_session_id(ssl, SSL_SESSION_get_id(a, NULL), 32));
    TRACE(take_away(ctx, a));
    TRACE(SSL_SESSION_is_resumable(a));
    TRACE(SSL_SESSION_is_resumable(b));
    TRACE(SSL_SESSION_set_timeout(b, 77));
    TRACE(SSL_SESSION_get_timeout(b));
    clear(ctx, 0);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(SSL_SESSION_is_resumable(b));
    TRACE(SSL_CTX_get_ex_data(ctx, own_index) == own_value);
    TRACE_POINTER(SSL_CTX_sess_get_get_cb(ctx));
    SSL_free(ssl);
    SSL_SESSION_free(a);
    SSL_SESSION_free(b);
}

void module_close(const char *name)
{
    printf("== %s closes\n", name);
    TRACE(SSL_SESSION_get_timeout(kept));
    SSL_SESSION_free(kept);
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
}
