/*
 * What uses the library of another_kind.c, as a module or as a program: it must work as it does
 * without us. COMPATIBILITY.md, "Libraries".
 */
#include <stdio.h>

typedef struct Method Method;
typedef struct Context Context;

const Method *TLS_method(void);
Context *SSL_CTX_new(const Method *method);
void SSL_CTX_free(Context *ctx);
long SSL_CTX_ctrl(Context *ctx, int command, long number, void *pointer);
int SSL_CTX_add_session(Context *ctx, void *session);
void SSL_CTX_flush_sessions(Context *ctx, long t);

void module_open(const char *name);
void module_use(const char *name);
void module_close(const char *name);

static Context *ctx;
static int session;

void module_open(const char *name)
{
    ctx = SSL_CTX_new(TLS_method());
    printf("%s: %s\n", name, ctx == NULL ? "no context" : "a context");
}

void module_use(const char *name)
{
    long before = SSL_CTX_ctrl(ctx, 44, 0, NULL);
    printf("%s: mode %ld, then %ld\n", name, before, SSL_CTX_ctrl(ctx, 44, before, NULL));
    printf("%s: added %d\n", name, SSL_CTX_add_session(ctx, &session));
    SSL_CTX_flush_sessions(ctx, 0);
}

void module_close(const char *name)
{
    SSL_CTX_free(ctx);
    printf("%s: freed\n", name);
}

#ifdef PROGRAM
int main(void)
{
    module_open("program");
    module_use("program");
    module_close("program");
    return 0;
}
#endif
