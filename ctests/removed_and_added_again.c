/*
 * A session that was removed, and so marked, is added again and offered by a client. The host
 * resumes it, in spite of the mark, or in TLS 1.2 on OpenSSL 1.1.1 fails to; here the mark holds, but in TLS 1.3 on
 * 1.1.1, which takes a marked session from a callback as well.
 * LIBSSL.md section 1, "A result that is not resumable is dropped" (divergence).
 */
#include "common.h"

static SSL_SESSION *made;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    if (made != NULL)
        return 0;
    made = session;
    return 1;
}

static void run(const char *name, int version, int flush)
{
    SSL_CTX *server = server_context("server", version);
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session, *again;
    int reused;
    printf("-- version %#x, %s\n", (unsigned)version, flush ? "flushed" : "removed");
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_sess_set_new_cb(server, keep);
    made = NULL;
    session = visit("full", client, server, NULL);
    if (flush)
        SSL_CTX_flush_sessions(server, 0);
    else
        TRACE(SSL_CTX_remove_session(server, made));
    TRACE(SSL_SESSION_is_resumable(made));
    TRACE(SSL_CTX_add_session(server, made));
    TRACE(SSL_CTX_sess_number(server));
    again = visit_quietly(client, server, session, &reused);
    divergence(name, again == NULL ? "no handshake" : "resumed %d", reused);
    SSL_SESSION_free(again);
    SSL_SESSION_free(made);
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    TRACE(live_sessions());
}

int main(void)
{
    run("removed_and_added_again_tls12", TLS1_2_VERSION, 0);
    run("flushed_and_added_again_tls12", TLS1_2_VERSION, 1);
    run("removed_and_added_again_tls13", TLS1_3_VERSION, 0);
    return 0;
}
