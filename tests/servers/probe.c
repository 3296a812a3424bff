/*
 * What the session cache looks like from inside a program.
 *
 * Preloaded, also where sslcache is not, so that runs compare. When the program lets go of a context
 * that served or made connections, one line is appended to the file $PROBE_FILE:
 *
 *     app.number=2 app.hits=1 … host.number=0 host.hits=1 … sslcache=/path/of/the/file sslcache.sessions=2 …
 *
 * app.*    what the program itself would be told,
 * host.*   what the host's libssl says when asked past everything in front of it,
 * sslcache where sslcache is in the process: the file it came from, and its own numbers; else `-`.
 *
 * With $PROBE_LIBSSL_VERSION, a number as OpenSSL_version_num returns it, the program is told that this libssl was loaded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <openssl/ssl.h>
#include <sslcache.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int stats_fn(SSL_CTX *, struct sslcache_stats *, size_t);
typedef long ctrl_fn(SSL_CTX *, int, long, void *);
typedef void free_fn(SSL_CTX *);

/* The libraries a context's call may end in, as handles, and where sslcache was found. */
struct stack {
    void *host;
    void *ours;
    char ours_path[512];
};

static const struct {
    const char *name;
    int command;
} counters[] = {
    {"number", SSL_CTRL_SESS_NUMBER},
    {"accept", SSL_CTRL_SESS_ACCEPT_GOOD},
    {"hits", SSL_CTRL_SESS_HIT},
    {"cb_hits", SSL_CTRL_SESS_CB_HIT},
    {"misses", SSL_CTRL_SESS_MISSES},
    {"timeouts", SSL_CTRL_SESS_TIMEOUTS},
    {"full", SSL_CTRL_SESS_CACHE_FULL},
};

static int report = -1;

/* At load: nginx empties its workers' environment, httpd's workers may no longer open the file. */
__attribute__((constructor)) static void open_report(void)
{
    const char *path = getenv("PROBE_FILE");

    if (path != NULL)
        report = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int look_at_library(struct dl_phdr_info *info, size_t size, void *data)
{
    const char *name = strrchr(info->dlpi_name, '/');
    struct stack *stack = data;
    void *handle;

    (void)size;
    if (name == NULL
        || (strncmp(name, "/libssl.so", 10) != 0 && strncmp(name, "/libsslcache.so", 15) != 0))
        return 0;
    handle = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == NULL)
        return 0;
    /* The replacement is called libssl.so.3 as well: its own symbol tells it from the host. */
    if (dlsym(handle, "sslcache_version") != NULL) {
        stack->ours = handle;
        snprintf(stack->ours_path, sizeof stack->ours_path, "%s", info->dlpi_name);
    } else {
        stack->host = handle;
    }
    return 0;
}

static struct stack find_libraries(void)
{
    struct stack stack = {.ours_path = "-"};

    dl_iterate_phdr(look_at_library, &stack);
    return stack;
}

/* Where libssl is not in the global scope (a module's private dependency), RTLD_NEXT finds nothing. */
static void *next_symbol(const struct stack *stack, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);

    if (symbol == NULL && stack->ours != NULL)
        symbol = dlsym(stack->ours, name);
    if (symbol == NULL && stack->host != NULL)
        symbol = dlsym(stack->host, name);
    return symbol;
}

static size_t describe(char *line, size_t room, const char *view, ctrl_fn *ctrl, SSL_CTX *ctx)
{
    size_t used = 0;

    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        used += (size_t)snprintf(line + used, room - used, "%s.%s=%ld ", view, counters[i].name,
                                 ctrl(ctx, counters[i].command, 0, NULL));
    return used;
}

static size_t describe_ours(char *line, size_t room, const struct stack *stack, SSL_CTX *ctx)
{
    stats_fn *stats = stack->ours ? (stats_fn *)dlsym(stack->ours, "sslcache_stats") : NULL;
    struct sslcache_stats seen;
    size_t used = (size_t)snprintf(line, room, "sslcache=%s", stack->ours_path);

    if (stats != NULL && stats(ctx, &seen, sizeof seen))
        used += (size_t)snprintf(line + used, room - used,
                                 " sslcache.sessions=%llu sslcache.hits=%llu sslcache.misses=%llu"
                                 " sslcache.failures=%llu",
                                 (unsigned long long)seen.sessions, (unsigned long long)seen.hits,
                                 (unsigned long long)seen.misses,
                                 (unsigned long long)seen.failures);
    return used;
}

static void write_report(const struct stack *stack, SSL_CTX *ctx)
{
    ctrl_fn *app = (ctrl_fn *)next_symbol(stack, "SSL_CTX_ctrl");
    ctrl_fn *host = stack->host ? (ctrl_fn *)dlsym(stack->host, "SSL_CTX_ctrl") : NULL;
    char line[2048];
    size_t used;

    if (app == NULL || host == NULL)
        return;
    /* Contexts that were only configured, as in nginx's master process, have nothing to tell. */
    if (host(ctx, SSL_CTRL_SESS_ACCEPT, 0, NULL) + host(ctx, SSL_CTRL_SESS_CONNECT, 0, NULL) == 0)
        return;
    used = describe(line, sizeof line, "app", app, ctx);
    used += describe(line + used, sizeof line - used, "host", host, ctx);
    used += describe_ours(line + used, sizeof line - used, stack, ctx);
    line[used++] = '\n';
    /* One write: lines of several processes do not mix. */
    if (write(report, line, used) != (ssize_t)used)
        perror("probe");
}

/* SSL_free lets go of its context through this symbol too, where the host calls itself by the PLT. */
static int called_by_the_program(const struct stack *stack, const void *caller)
{
    Dl_info from, host;

    return dladdr(caller, &from) == 0 || dladdr(dlsym(stack->host, "SSL_CTX_free"), &host) == 0
           || (from.dli_fbase != host.dli_fbase && strcmp(from.dli_fname, stack->ours_path) != 0);
}

unsigned long OpenSSL_version_num(void)
{
    const char *version = getenv("PROBE_LIBSSL_VERSION");
    unsigned long (*next)(void) = (unsigned long (*)(void))dlsym(RTLD_NEXT, "OpenSSL_version_num");

    if (version != NULL)
        return strtoul(version, NULL, 0);
    return next != NULL ? next() : OPENSSL_VERSION_NUMBER;
}

void SSL_CTX_free(SSL_CTX *ctx)
{
    const struct stack stack = find_libraries();
    free_fn *next = (free_fn *)next_symbol(&stack, "SSL_CTX_free");

    if (report >= 0 && ctx != NULL && stack.host != NULL
        && called_by_the_program(&stack, __builtin_return_address(0)))
        write_report(&stack, ctx);
    if (next != NULL)
        next(ctx);
}
