/*
 * The getters of the three callbacks return what the application set, NULL by default, and never
 * anybody else's. SSL_CTX_sess_set_get_cb(3); LIBSSL.md section 2, "its getters must never show
 * ours".
 */
#include "common.h"

static void show(SSL_CTX *ctx)
{
    printf("new %s, get %s, remove %s\n",
           SSL_CTX_sess_get_new_cb(ctx) == NULL ? "NULL" : SSL_CTX_sess_get_new_cb(ctx) == trace_new ? "as set" : "strange",
           SSL_CTX_sess_get_get_cb(ctx) == NULL ? "NULL" : SSL_CTX_sess_get_get_cb(ctx) == trace_get ? "as set" : "strange",
           SSL_CTX_sess_get_remove_cb(ctx) == NULL        ? "NULL"
           : SSL_CTX_sess_get_remove_cb(ctx) == trace_remove ? "as set"
                                                             : "strange");
}

int main(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_CTX *null_library = NEW_EX(TLS_server_method());
    show(server);
    show(null_library);
    heading("after a handshake");
    SSL_SESSION_free(visit("first", client, server, NULL));
    show(server);
    show(client);
    heading("one by one");
    SSL_CTX_sess_set_new_cb(server, trace_new);
    show(server);
    SSL_CTX_sess_set_get_cb(server, trace_get);
    show(server);
    SSL_CTX_sess_set_remove_cb(server, trace_remove);
    show(server);
    show(client);
    heading("taken back");
    SSL_CTX_sess_set_new_cb(server, NULL);
    SSL_CTX_sess_set_get_cb(server, NULL);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    show(server);
    SSL_SESSION_free(visit("silent", client, server, NULL));
    TRACE(SSL_CTX_sess_number(server));
    SSL_CTX_free(null_library);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return 0;
}
