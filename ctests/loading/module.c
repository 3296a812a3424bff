/*
 * A module in the manner of Python's _ssl: linked with libssl itself, loaded with RTLD_LOCAL into a
 * program that is not. Its handshakes are cached and resumed. LIBSSL.md section 3.
 */
#include "common.h"

#include <execinfo.h>
#include <dlfcn.h>

static SSL_CTX *server, *client;
static int index_of_trace;
static char maker[64];

/* Called from inside SSL_CTX_new: notes the libssl that it is in. */
static void context_born(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    void *frames[64];
    int i, count = backtrace(frames, 64);
    (void)parent, (void)ptr, (void)ad, (void)idx, (void)argl, (void)argp;
    *maker = '\0';
    for (i = 0; i < count && *maker == '\0'; i++) {
        Dl_info info;
        const char *name;
        if (dladdr(frames[i], &info) == 0 || info.dli_fname == NULL)
            continue;
        name = strrchr(info.dli_fname, '/') == NULL ? info.dli_fname : strrchr(info.dli_fname, '/') + 1;
        if (strncmp(name, "libssl.so", 9) == 0 || strncmp(name, "libssl-copy.so", 14) == 0)
            snprintf(maker, sizeof maker, "%s", name);
    }
}

__attribute__((visibility("default"))) void module_open(const char *name);
__attribute__((visibility("default"))) void module_use(const char *name);
__attribute__((visibility("default"))) void module_close(const char *name);

void module_open(const char *name)
{
    printf("== %s opens\n", name);
    if (index_of_trace == 0)
        index_of_trace = SSL_CTX_get_ex_new_index(0, NULL, context_born, NULL, NULL);
    server = server_context("server", TLS1_2_VERSION);
    printf("a context made by %s\n", maker);
    client = client_context("client", TLS1_2_VERSION);
    SSL_CTX_sess_set_remove_cb(server, trace_remove);
}

void module_use(const char *name)
{
    SSL_SESSION *session;
    printf("== %s\n", name);
    session = visit("full", client, server, NULL);
    SSL_SESSION_free(visit("resumed", client, server, session));
    TRACE(SSL_CTX_remove_session(server, session));
    SSL_SESSION_free(visit("gone", client, server, session));
    print_counters(server);
    TRACE(SSL_CTX_get_session_cache_mode(server));
    TRACE_POINTER(SSL_CTX_sess_get_new_cb(server));
    SSL_SESSION_free(session);
}

void module_close(const char *name)
{
    printf("== %s closes\n", name);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}
