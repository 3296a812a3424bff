/*
 * Sessions whose time plus timeout lies far from now, in both directions: a flush takes what had ended before its second,
 * compared in all bits, and nothing else. LIBSSL.md section 5, "flush(t)".
 */
#include "common.h"

static void try(const char *what, long time, long timeout, long sum)
{
    SSL_CTX *ctx = server_context("ctx", TLS1_2_VERSION);
    SSL_SESSION *session = make_session(NULL, TLS1_2_VERSION, what);
    long at_sum, after;
    NEED(SSL_CTX_add_session(ctx, session) == 1);
    SSL_SESSION_set_timeout(session, timeout);
    SSL_SESSION_set_time(session, time);
    SSL_CTX_flush_sessions(ctx, sum == 0 ? -1 : sum);
    at_sum = SSL_CTX_sess_number(ctx);
    SSL_CTX_flush_sessions(ctx, sum + 1);
    after = SSL_CTX_sess_number(ctx);
    if (time < 0 && OPENSSL_VERSION_MAJOR < 3)
        divergence("flush_before_all_clocks", "%ld in its last second, %ld after it", at_sum, after);
    else
        printf("%s: %ld in its last second, %ld after it\n", what, at_sum, after);
    /* The same where it is added with these times, beside one that is gone by then. */
    NEED(SSL_CTX_add_session(ctx, session) == (after == 0));
    SSL_CTX_flush_sessions(ctx, sum == 0 ? -1 : sum);
    at_sum = SSL_CTX_sess_number(ctx);
    SSL_CTX_flush_sessions(ctx, sum + 1);
    if (time >= 0 || OPENSSL_VERSION_MAJOR >= 3)
        printf("%s: %ld, %ld\n", what, at_sum, (long)SSL_CTX_sess_number(ctx));
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
}

int main(void)
{
    static const int powers[] = { 31, 32, 38, 39, 40, 47, 55, 61, 62 };
    const long greatest = 0x7fffffffffffffffL;
    /* Since 3.3 libssl counts nanoseconds without a sign: 584 years from 1970. */
    const int in_seconds = OpenSSL_version_num() < 0x30300000L;
    char what[32];
    size_t i;
    heading("after now");
    for (i = 0; i < sizeof powers / sizeof powers[0]; i++) {
        long by, power = 1L << powers[i];
        for (by = -1; by <= 1 && (in_seconds || powers[i] < 34); by++) {
            snprintf(what, sizeof what, "2^%d%+ld", powers[i], by);
            try(what, 1000, power + by - 1000, power + by);
        }
    }
    if (in_seconds)
        try("the last second but one", 1000, greatest - 1001, greatest - 1);
    heading("before all clocks");
    for (i = 0; i < sizeof powers / sizeof powers[0] && in_seconds; i++) {
        snprintf(what, sizeof what, "-2^%d", powers[i]);
        try(what, -(1L << powers[i]) - 300, 300, -(1L << powers[i]));
    }
    if (in_seconds)
        try("from before to after zero", -5, 1000, 995);
    TRACE(live_sessions());
    return 0;
}
