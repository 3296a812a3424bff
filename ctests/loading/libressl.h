/*
 * The functions that sslcache exports and LibreSSL has: whether each answers, what it takes, and how many arguments.
 */
#define FUNCTIONS                                                                                                             \
    FUNCTION(answers, NUMBERS, 1, SSL_CTX_new)                                                                                \
    FUNCTION(answers, NUMBERS, 4, SSL_CTX_ctrl)                                                                               \
    FUNCTION(answers, NUMBERS, 2, SSL_CTX_add_session)                                                                        \
    FUNCTION(answers, NUMBERS, 2, SSL_CTX_remove_session)                                                                     \
    FUNCTION(silent, NUMBERS, 2, SSL_CTX_flush_sessions)                                                                      \
    FUNCTION(answers, NUMBERS, 1, SSL_CTX_sessions)                                                                           \
    FUNCTION(silent, NUMBERS, 2, SSL_CTX_sess_set_new_cb)                                                                     \
    FUNCTION(answers, NUMBERS, 1, SSL_CTX_sess_get_new_cb)                                                                    \
    FUNCTION(silent, NUMBERS, 2, SSL_CTX_sess_set_remove_cb)                                                                  \
    FUNCTION(answers, NUMBERS, 1, SSL_CTX_sess_get_remove_cb)                                                                 \
    FUNCTION(silent, NUMBERS, 2, SSL_CTX_sess_set_get_cb)                                                                     \
    FUNCTION(answers, NUMBERS, 1, SSL_CTX_sess_get_get_cb)                                                                    \
    FUNCTION(answers, NUMBERS, 2, SSL_SESSION_set_time)                                                                       \
    FUNCTION(answers, NUMBERS, 2, SSL_SESSION_set_timeout)                                                                    \
    FUNCTION(answers, NUMBERS, 3, SSL_SESSION_set_ex_data)                                                                    \
    FUNCTION(answers, BYTES, 3, SSL_SESSION_set1_id)                                                                          \
    FUNCTION(answers, BYTES, 3, SSL_SESSION_set1_id_context)                                                                  \
    FUNCTION(answers, NUMBERS, 2, SSL_SESSION_set_max_early_data)                                                             \
    FUNCTION(answers, BYTES, 3, SSL_has_matching_session_id)                                                                  \
    FUNCTION(answers, NUMBERS, 2, SSL_set_SSL_CTX)                                                                            \
    FUNCTION(answers, BYTES, 3, SSL_CTX_set_session_id_context)                                                               \
    FUNCTION(answers, NUMBERS, 1, SSL_clear)                                                                                  \
    FUNCTION(answers, NUMBERS, 2, SSL_set_session)                                                                            \
    FUNCTION(answers, NUMBERS, 3, SSL_CTX_callback_ctrl)                                                                      \
    FUNCTION(answers, NUMBERS, 4, SSL_ctrl)                                                                                   \
    FUNCTION(answers, PATHS, 3, SSL_CTX_load_verify_locations)                                                                \
    FUNCTION(answers, NUMBERS, 1, SSL_CTX_set_default_verify_paths)                                                           \
    FUNCTION(answers, NUMBERS, 1, SSL_dup)                                                                                    \
    FUNCTION(silent, NUMBERS, 3, SSL_CTX_set_alpn_select_cb)                                                                  \
    FUNCTION(silent, NUMBERS, 3, SSL_CTX_set_cert_verify_callback)                                                            \
    FUNCTION(answers, NUMBERS, 2, SSL_CTX_set_purpose)                                                                        \
    FUNCTION(answers, NUMBERS, 2, SSL_set_purpose)                                                                            \
    FUNCTION(answers, NUMBERS, 2, SSL_CTX_set_trust)                                                                          \
    FUNCTION(answers, NUMBERS, 2, SSL_set_trust)                                                                              \
    FUNCTION(answers, NUMBERS, 2, SSL_CTX_set1_param)                                                                         \
    FUNCTION(answers, NUMBERS, 2, SSL_set1_param)                                                                             \
    FUNCTION(answers, NUMBERS, 3, SSL_CTX_set_ex_data)                                                                        \
    FUNCTION(answers, NUMBERS, 2, X509_VERIFY_PARAM_set_purpose)                                                              \
    FUNCTION(answers, NUMBERS, 2, X509_VERIFY_PARAM_set_trust)                                                                \
    FUNCTION(answers, NUMBERS, 2, X509_STORE_set_purpose)                                                                     \
    FUNCTION(answers, NUMBERS, 2, X509_STORE_set_trust)                                                                       \
    FUNCTION(answers, NUMBERS, 2, X509_STORE_set1_param)                                                                      \
    FUNCTION(silent, NUMBERS, 1, SSL_free)
