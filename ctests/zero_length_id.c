/*
 * A session with an empty id. The host stores it, can never remove it by name, and stops evicting
 * once it stands at the end of its list; here it is refused.
 * LIBSSL.md section 5, "add a zero-length id" (divergence), "remove NULL or a zero-length id".
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *empty = make_session_id("empty", TLS1_2_VERSION, 0, 0);
    SSL_SESSION *also_empty = make_session_id("also empty", TLS1_2_VERSION, 0, 0);
    char id[16];
    int i;
    SSL_CTX_sess_set_remove_cb(ctx, trace_remove);
    divergence("zero_length_id_add", "%d", SSL_CTX_add_session(ctx, empty));
    divergence("zero_length_id_number", "%ld", SSL_CTX_sess_number(ctx));
    TRACE(SSL_CTX_remove_session(ctx, empty));
    TRACE(SSL_CTX_remove_session(ctx, also_empty));
    divergence("zero_length_id_number_after_remove", "%ld", SSL_CTX_sess_number(ctx));
    TRACE(SSL_SESSION_is_resumable(empty));
    heading("a cache of three, and fifty sessions");
    SSL_CTX_sess_set_remove_cb(ctx, NULL);
    NEED(SSL_SESSION_set_timeout(empty, 1));
    SSL_CTX_sess_set_cache_size(ctx, 3);
    for (i = 0; i < 50; i++) {
        SSL_SESSION *session;
        snprintf(id, sizeof id, "session %d", i);
        session = make_session(NULL, TLS1_2_VERSION, id);
        NEED(SSL_CTX_add_session(ctx, session) == 1);
        SSL_SESSION_free(session);
    }
    divergence("zero_length_id_blocks_eviction", "%ld", SSL_CTX_sess_number(ctx));
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
    SSL_SESSION_free(empty);
    SSL_SESSION_free(also_empty);
    return 0;
}
