/*
 * NULL for the context, the session or both. What the host survives must answer the same; where it
 * crashes (tried in a child) the call is here the documented failure value.
 * LIBSSL.md section 5 (divergence).
 */
#include "common.h"

#include <unistd.h>

static SSL_SESSION *a;

/* The child's exit code is 10 and the value. */
static void add_without_context(void) { _exit(10 + SSL_CTX_add_session(NULL, a)); }
static void add_nothing(void) { _exit(10 + SSL_CTX_add_session(NULL, NULL)); }
static void remove_without_context(void) { _exit(10 + SSL_CTX_remove_session(NULL, a)); }
static void flush_without_context(void) { SSL_CTX_flush_sessions(NULL, 0); _exit(10); }
static void sessions_without_context(void) { _exit(10 + (SSL_CTX_sessions(NULL) != NULL)); }
static void set_new(void) { SSL_CTX_sess_set_new_cb(NULL, trace_new); _exit(10); }
static void set_get(void) { SSL_CTX_sess_set_get_cb(NULL, trace_get); _exit(10); }
static void set_remove(void) { SSL_CTX_sess_set_remove_cb(NULL, trace_remove); _exit(10); }
static void get_new(void) { _exit(10 + (SSL_CTX_sess_get_new_cb(NULL) != NULL)); }
static void get_get(void) { _exit(10 + (SSL_CTX_sess_get_get_cb(NULL) != NULL)); }
static void get_remove(void) { _exit(10 + (SSL_CTX_sess_get_remove_cb(NULL) != NULL)); }
static void matching(void) { _exit(10 + SSL_has_matching_session_id(NULL, (const unsigned char *)"a", 1)); }

int main(void)
{
    a = make_session(NULL, TLS1_2_VERSION, "a");
    TRACE(SSL_CTX_remove_session(NULL, NULL));
    TRACE(SSL_CTX_sess_number(NULL));
    TRACE(SSL_CTX_sess_hits(NULL));
    TRACE(SSL_CTX_sess_cache_full(NULL));
    TRACE(SSL_CTX_sess_set_cache_size(NULL, 5));
    TRACE(SSL_CTX_sess_get_cache_size(NULL));
    TRACE(SSL_CTX_set_session_cache_mode(NULL, SSL_SESS_CACHE_BOTH));
    TRACE(SSL_CTX_get_session_cache_mode(NULL));
    TRACE(SSL_CTX_ctrl(NULL, SSL_CTRL_MODE, 0, NULL));
    TRACE(SSL_CTX_ctrl(NULL, 12345, 0, NULL));
    TRACE(SSL_SESSION_set_time(NULL, 5));
    TRACE(SSL_SESSION_set_timeout(NULL, 5));
    TRACE_POINTER(SSL_CTX_new(NULL));
    TRACE(ERR_peek_error() != 0);
    ERR_clear_error();
    TRACE_POINTER(NEW_EX(NULL));
    ERR_clear_error();
    SSL_CTX_free(NULL);
    divergence("null_context_add", "%s", ending_in_child(add_without_context));
    divergence("null_context_add_nothing", "%s", ending_in_child(add_nothing));
    divergence("null_context_remove", "%s", ending_in_child(remove_without_context));
    divergence("null_context_flush", "%s", ending_in_child(flush_without_context));
    divergence("null_context_sessions", "%s", ending_in_child(sessions_without_context));
    divergence("null_context_set_new", "%s", ending_in_child(set_new));
    divergence("null_context_set_get", "%s", ending_in_child(set_get));
    divergence("null_context_set_remove", "%s", ending_in_child(set_remove));
    divergence("null_context_get_new", "%s", ending_in_child(get_new));
    divergence("null_context_get_get", "%s", ending_in_child(get_get));
    divergence("null_context_get_remove", "%s", ending_in_child(get_remove));
    divergence("null_ssl_matching", "%s", ending_in_child(matching));
    SSL_SESSION_free(a);
    return 0;
}
