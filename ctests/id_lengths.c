/*
 * Ids of every length from 1 to 32 are ids of their own, also where one begins with the other, or
 * differs from it in the last byte only; 33 bytes are no id. LIBSSL.md section 5.
 */
#include "common.h"

int main(void)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *sessions[SSL_MAX_SSL_SESSION_ID_LENGTH + 1];
    SSL_SESSION *stranger;
    unsigned char id[SSL_MAX_SSL_SESSION_ID_LENGTH + 1];
    unsigned length, added = 0, removed = 0;
    for (length = 1; length <= SSL_MAX_SSL_SESSION_ID_LENGTH; length++) {
        sessions[length] = make_session_id(NULL, TLS1_2_VERSION, 'x', length);
        added += SSL_CTX_add_session(ctx, sessions[length]);
    }
    TRACE(added);
    TRACE(SSL_CTX_sess_number(ctx));
    heading("the last byte counts");
    memset(id, 'x', sizeof id);
    id[31] = 'y';
    stranger = make_session("stranger", TLS1_2_VERSION, "");
    NEED(SSL_SESSION_set1_id(stranger, id, 32));
    TRACE(SSL_CTX_remove_session(ctx, stranger));
    TRACE(SSL_CTX_sess_number(ctx));
    heading("33 bytes");
    TRACE(SSL_SESSION_set1_id(stranger, id, 33));
    ERR_clear_error();
    SSL_SESSION_free(stranger);
    heading("each is found under its own length");
    for (length = 1; length <= SSL_MAX_SSL_SESSION_ID_LENGTH; length++) {
        removed += SSL_CTX_remove_session(ctx, sessions[length]);
        SSL_SESSION_free(sessions[length]);
    }
    TRACE(removed);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    return 0;
}
