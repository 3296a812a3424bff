/*
 * A TLS library that is no libssl of OpenSSL 3: too old, or of another make and linked into a
 * module. It has some of the names, without versions, and its structures are its own.
 */
#include <stdlib.h>

typedef struct {
    int kind;
} SSL_METHOD;

typedef struct {
    const SSL_METHOD *method;
    long mode;
    long number;
} SSL_CTX;

const SSL_METHOD *TLS_method(void);
SSL_CTX *SSL_CTX_new(const SSL_METHOD *method);
void SSL_CTX_free(SSL_CTX *ctx);
long SSL_CTX_ctrl(SSL_CTX *ctx, int command, long number, void *pointer);
int SSL_CTX_add_session(SSL_CTX *ctx, void *session);
void SSL_CTX_flush_sessions(SSL_CTX *ctx, long t);
const char *SSL_alert_desc_string_long(int value);

const SSL_METHOD *TLS_method(void)
{
    static const SSL_METHOD method = { 4711 };
    return &method;
}

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method)
{
    SSL_CTX *ctx = method->kind == 4711 ? malloc(sizeof *ctx) : NULL;
    if (ctx == NULL)
        abort();
    *ctx = (SSL_CTX) { method, 2, 0 };
    return ctx;
}

void SSL_CTX_free(SSL_CTX *ctx)
{
    free(ctx);
}

long SSL_CTX_ctrl(SSL_CTX *ctx, int command, long number, void *pointer)
{
    long before = ctx->mode;
    if (ctx->method != TLS_method() || pointer != NULL)
        abort();
    if (command == 44) /* SSL_CTRL_SET_SESS_CACHE_MODE */
        ctx->mode = number;
    return before;
}

int SSL_CTX_add_session(SSL_CTX *ctx, void *session)
{
    ctx->number += session != NULL;
    return 1;
}

void SSL_CTX_flush_sessions(SSL_CTX *ctx, long t)
{
    if (t == 0)
        ctx->number = 0;
}

const char *SSL_alert_desc_string_long(int value)
{
    return value == 0 ? "close notify" : "unknown";
}
