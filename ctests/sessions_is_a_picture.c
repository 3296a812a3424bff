/*
 * The table of SSL_CTX_sessions while a program uses it: asking for it again inside a walk answers
 * the same one, which stays while others follow it. On the host it is the cache itself and changes
 * with it; here a later one shows the change (divergence), and removing everything empties all.
 * SSL_CTX_sessions(3); COMPATIBILITY.md, "sessions_is_a_picture".
 */
#include "common.h"

#include <openssl/lhash.h>

static SSL_CTX *ctx;
static OPENSSL_LHASH *walked;
static int outer, inner, others;

static OPENSSL_LHASH *table(void)
{
    return (OPENSSL_LHASH *)SSL_CTX_sessions(ctx);
}

static void count(void *session, void *counter)
{
    unsigned length;
    SSL_SESSION_get_id(session, &length);
    *(int *)counter += length == 32;
}

static void visit_each(void *session)
{
    (void)session;
    outer++;
    others += table() != walked;
    OPENSSL_LH_doall_arg(table(), count, &inner);
}

static void add(const char *id)
{
    SSL_SESSION *session = make_session(NULL, TLS1_2_VERSION, id);
    NEED(SSL_CTX_add_session(ctx, session) == 1);
    SSL_SESSION_free(session);
}

static int items(OPENSSL_LHASH *of)
{
    int counted = 0;
    OPENSSL_LH_doall_arg(of, count, &counted);
    NEED(OPENSSL_LH_num_items(of) == (unsigned long)counted);
    return counted;
}

int main(void)
{
    static const char *const ids[] = { "a", "b", "c", "d", "e" };
    OPENSSL_LHASH *first;
    size_t i;
    ctx = server_context("ctx", TLS1_2_VERSION);
    heading("empty");
    TRACE(table() == table());
    TRACE(items(table()));
    for (i = 0; i < sizeof ids / sizeof ids[0]; i++)
        add(ids[i]);

    heading("asked for inside a walk");
    walked = table();
    OPENSSL_LH_doall(walked, visit_each);
    printf("visited %d, inside %d, tables that were others: %d\n", outer, inner, others);
    TRACE(table() == walked);
    TRACE(SSL_CTX_sess_number(ctx));
    TRACE(table() == walked);

    heading("after a change");
    first = table();
    add("f");
    TRACE(items(table()));
    divergence("picture_after_an_addition", "%d", items(first));
    SSL_CTX_flush_sessions(ctx, time(NULL) + SSL_CTX_get_timeout(ctx) + 100000);
    TRACE(items(table()));
    divergence("picture_after_all_expired", "%d", items(first));

    heading("after everything was removed");
    add("g");
    TRACE(items(table()));
    SSL_CTX_flush_sessions(ctx, 0);
    TRACE(items(table()));
    TRACE(items(first));
    TRACE(live_sessions());
    SSL_CTX_free(ctx);
    return 0;
}
