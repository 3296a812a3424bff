/*
 * A program that finds libssl's functions with dlopen and dlsym: its contexts are not half taken
 * over, so that each call of it does what it says. COMPATIBILITY.md, "Programs that find libssl
 * with dlopen and dlsym".
 */
#include "common.h"

#include <dlfcn.h>

/* A function of libssl under its own name, of the handle that is given. */
#define FIND(handle, name)                                                                         \
    __typeof__(name) *found_##name;                                                                \
    *(void **)&found_##name = dlsym(handle, #name);                                                \
    NEED(found_##name != NULL)

static void *libssl;

static SSL_CTX *found_context(int with_ex)
{
    SSL_CTX *ctx = NULL;
    FIND(libssl, SSL_CTX_new);
    FIND(libssl, TLS_server_method);
    if (!with_ex)
        ctx = found_SSL_CTX_new(found_TLS_server_method());
#if OPENSSL_VERSION_MAJOR >= 3
    FIND(libssl, SSL_CTX_new_ex);
    if (with_ex)
        ctx = found_SSL_CTX_new_ex(NULL, NULL, found_TLS_server_method());
#endif
    NEED(ctx != NULL);
    return ctx;
}

static void resume(SSL_CTX *server, SSL_CTX *client)
{
    SSL_SESSION *session;
    FIND(libssl, SSL_CTX_flush_sessions);
    FIND(libssl, SSL_CTX_ctrl);
    FIND(libssl, SSL_CTX_sess_set_remove_cb);
    FIND(libssl, SSL_CTX_sess_get_get_cb);
    FIND(libssl, SSL_CTX_sess_get_new_cb);
    FIND(libssl, SSL_CTX_sess_get_remove_cb);
    FIND(libssl, SSL_CTX_sessions);
    TRACE(found_SSL_CTX_ctrl(server, SSL_CTRL_GET_SESS_CACHE_MODE, 0, NULL));
    TRACE(found_SSL_CTX_ctrl(server, SSL_CTRL_SET_SESS_CACHE_SIZE, 5, NULL));
    session = visit("full", client, server, NULL);
    TRACE(found_SSL_CTX_ctrl(server, SSL_CTRL_SESS_NUMBER, 0, NULL));
    TRACE(OPENSSL_LH_num_items((OPENSSL_LHASH *)found_SSL_CTX_sessions(server)));
    SSL_SESSION_free(visit("resumed", client, server, session));
    TRACE_POINTER(found_SSL_CTX_sess_get_get_cb(server));
    TRACE_POINTER(found_SSL_CTX_sess_get_new_cb(server));
    TRACE_POINTER(found_SSL_CTX_sess_get_remove_cb(server));
    found_SSL_CTX_sess_set_remove_cb(server, trace_remove);
    TRACE(found_SSL_CTX_sess_get_remove_cb(server) == trace_remove);
    found_SSL_CTX_flush_sessions(server, 0);
    TRACE(found_SSL_CTX_ctrl(server, SSL_CTRL_SESS_NUMBER, 0, NULL));
    SSL_SESSION_free(visit("after a flush", client, server, session));
    TRACE(found_SSL_CTX_ctrl(server, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL));
    SSL_SESSION_free(session);
}

static void run(const char *what, SSL_CTX *like, int with_ex)
{
    SSL_CTX *server = found_context(with_ex);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    FIND(libssl, SSL_CTX_use_certificate);
    FIND(libssl, SSL_CTX_use_PrivateKey);
    FIND(libssl, SSL_CTX_set_session_id_context);
    FIND(libssl, SSL_CTX_set_options);
    FIND(libssl, SSL_CTX_free);
    heading("%s", what);
    NEED(found_SSL_CTX_use_certificate(server, SSL_CTX_get0_certificate(like)));
    NEED(found_SSL_CTX_use_PrivateKey(server, SSL_CTX_get0_privatekey(like)));
    NEED(found_SSL_CTX_set_session_id_context(server, (const unsigned char *)"ctests", 6));
    found_SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    resume(server, client);
    found_SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    SSL_CTX *like;
    SSL_CTX *first;
    libssl = dlopen(LIBSSL_FILE, RTLD_NOW | RTLD_LOCAL);
    NEED(libssl != NULL);
    /* Before any call that could be seen. */
    first = found_context(0);
    like = server_context("like", TLS1_2_VERSION);
    run("SSL_CTX_new", like, 0);
    if (OPENSSL_VERSION_MAJOR >= 3)
        run("SSL_CTX_new_ex", like, 1);
    SSL_CTX_free(first);
    SSL_CTX_free(like);
    return 0;
}
