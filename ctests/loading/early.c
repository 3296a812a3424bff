/*
 * A library whose constructor makes a context and caches a session before main runs, and whose
 * destructor frees it after main has returned.
 */
#include "common.h"

__attribute__((visibility("default"))) SSL_CTX *early_context;
__attribute__((visibility("default"))) int early_answers[4];

__attribute__((constructor)) static void before_main(void)
{
    SSL_SESSION *session = SSL_SESSION_new();
    early_context = SSL_CTX_new(TLS_server_method());
    NEED(early_context != NULL && session != NULL);
    NEED(SSL_SESSION_set1_id(session, (const unsigned char *)"early", 5));
    early_answers[0] = SSL_CTX_add_session(early_context, session);
    early_answers[1] = SSL_CTX_add_session(early_context, session);
    early_answers[2] = (int)SSL_CTX_sess_number(early_context);
    early_answers[3] = (int)SSL_CTX_set_session_cache_mode(early_context, SSL_SESS_CACHE_BOTH);
    SSL_SESSION_free(session);
}
