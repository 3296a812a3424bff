/*
 * A session made under another session-id context is a miss, and stays in the cache; set back, it
 * is resumed. LIBSSL.md section 1, "session-id context (differs: a miss)".
 */
#include "common.h"

static void set(SSL_CTX *ctx, const char *context)
{
    NEED(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)context, (unsigned)strlen(context)));
    heading("session-id context \"%s\"", context);
}

static void run(int version)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    printf("-- version %#x\n", (unsigned)version);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    trace_callbacks(server);
    set(server, "one");
    session = visit("full", client, server, NULL);
    set(server, "two");
    SSL_SESSION_free(visit("offered", client, server, session));
    print_counters(server);
    set(server, "");
    SSL_SESSION_free(visit("offered", client, server, session));
    set(server, "one");
    SSL_SESSION_free(visit("offered", client, server, session));
    print_counters(server);
    SSL_SESSION_free(session);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(void)
{
    run(TLS1_2_VERSION);
    run(TLS1_3_VERSION);
    return 0;
}
