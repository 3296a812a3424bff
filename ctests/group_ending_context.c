/*
 * settings: SSLCACHE_GROUP=certificate
 *
 * Code that SSL_CTX_free calls may call the cache of the dying context, of which the host has freed a part by then:
 * X509_VERIFY_PARAM, which SSL_CTX_get0_param still answers. What a context holds is here on pages of its own, which
 * nobody can read once they are freed.
 *
 * hangs: OpenSSL 1.1.1 (a call inside the remove callback releases the lock of the flush around it)
 */
#include "common.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 4096

static char *pages;
static size_t page_size, used;
static int on_pages;

static void *allocate(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (!on_pages || size > page_size)
        return malloc(size);
    NEED(used < PAGES);
    return pages + page_size * used++;
}

static int is_on_page(void *place)
{
    return (char *)place >= pages && (char *)place < pages + PAGES * page_size;
}

static void release(void *place, const char *file, int line)
{
    (void)file, (void)line;
    if (is_on_page(place))
        NEED(mprotect(place, page_size, PROT_NONE) == 0);
    else
        free(place);
}

static void *resize(void *place, size_t size, const char *file, int line)
{
    void *larger;
    if (!is_on_page(place))
        return realloc(place, size);
    larger = malloc(size > page_size ? size : page_size);
    NEED(larger != NULL);
    memcpy(larger, place, page_size);
    release(place, file, line);
    return larger;
}

int sessions_are_bare(void)
{
    return 1;
}

static SSL_SESSION *other;

static void call_the_cache(SSL_CTX *ctx)
{
    SSL_CTX_sess_number(ctx);
    SSL_CTX_sessions(ctx);
    SSL_CTX_add_session(ctx, other);
    SSL_CTX_remove_session(ctx, other);
}

static void removed(SSL_CTX *ctx, SSL_SESSION *session)
{
    (void)session;
    SSL_CTX_sess_set_remove_cb(ctx, NULL);
    printf("removed\n");
    call_the_cache(ctx);
}

static void value_gone(void *parent, void *value, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)ad, (void)idx, (void)argl, (void)argp;
    if (value == NULL)
        return;
    printf("freeing\n");
    call_the_cache(parent);
}

static void run(const char *what, int sessions)
{
    SSL_CTX *ctx;
    heading("%s", what);
    on_pages = 1;
    ctx = server_context("ctx", TLS1_2_VERSION);
    on_pages = 0;
    NEED(SSL_CTX_set_ex_data(ctx, 1, ctx));
    if (sessions) {
        SSL_SESSION *a = make_session(NULL, TLS1_2_VERSION, "a");
        SSL_CTX_sess_set_remove_cb(ctx, removed);
        TRACE(SSL_CTX_add_session(ctx, a));
        SSL_SESSION_free(a);
    }
    SSL_CTX_free(ctx);
}

int main(void)
{
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    pages = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(pages != MAP_FAILED && CRYPTO_set_mem_functions(allocate, resize, release));
    NEED(SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, value_gone) == 1);
    other = make_session(NULL, TLS1_2_VERSION, "other");
    make_certificate();
    SSL_CTX_free(server_context("first", TLS1_2_VERSION)); /* what sslcache keeps beside it is on no page of these */
    run("with sessions", 1);
    run("without", 0);
    SSL_SESSION_free(other);
    return 0;
}
