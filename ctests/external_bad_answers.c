/*
 * What a get callback may answer that cannot be resumed: a session marked so, an expired one, one
 * of another session-id context, one of another version. LIBSSL.md section 1, "A result that is not
 * resumable is dropped" and "A found session is then checked".
 */
#include "store.h"

enum flaw { NONE, MARKED, EXPIRED, OTHER_CONTEXT, OTHER_VERSION };

static void run(const char *what, enum flaw flaw, int copy, long mode)
{
    static const char *const names[] = { "none", "marked", "expired", "other context", "other version" };
    SSL_CTX *server = server_context("server", TLS1_2_VERSION);
    SSL_CTX *client = client_context("client", TLS1_2_VERSION);
    SSL_CTX *scratch = SSL_CTX_new(TLS_method());
    SSL_SESSION *session;
    heading("%s: %s, copy %d, mode %#lx", what, names[flaw], copy, (unsigned long)mode);
    SSL_CTX_set_session_cache_mode(server, mode);
    store_callbacks(server);
    new_answer = 1;
    answer_copy = copy;
    session = visit("full", client, server, NULL);
    {
        SSL_SESSION *fresh = decoded_copy(stored);
        SSL_CTX_sess_set_remove_cb(server, NULL);
        SSL_CTX_flush_sessions(server, 0);
        SSL_CTX_sess_set_remove_cb(server, trace_remove);
        store_drop();
        stored = fresh;
    }
    if (flaw == MARKED)
        SSL_CTX_remove_session(scratch, stored);
    if (flaw == EXPIRED)
        SSL_SESSION_set_time(stored, time(NULL) - 100000);
    if (flaw == OTHER_CONTEXT)
        NEED(SSL_SESSION_set1_id_context(stored, (const unsigned char *)"other", 5));
    if (flaw == OTHER_VERSION)
        NEED(SSL_SESSION_set_protocol_version(stored, TLS1_1_VERSION));
    new_answer = 0;
    SSL_SESSION_free(visit("offered", client, server, session));
    print_counters(server);
    TRACE(SSL_SESSION_is_resumable(stored));
    SSL_SESSION_free(session);
    SSL_CTX_sess_set_remove_cb(server, NULL);
    SSL_CTX_free(server);
    store_drop();
    SSL_CTX_free(client);
    SSL_CTX_free(scratch);
    TRACE(live_sessions());
}

int main(void)
{
    int flaw, copy;
    for (flaw = NONE; flaw <= OTHER_VERSION; flaw++)
        for (copy = 0; copy <= 1; copy++) {
            run("stored", (enum flaw)flaw, copy, SSL_SESS_CACHE_SERVER);
            run("stored with a new time", (enum flaw)flaw, copy, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_UPDATE_TIME);
            run("not stored", (enum flaw)flaw, copy, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
        }
    return 0;
}
