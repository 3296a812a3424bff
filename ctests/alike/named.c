/* Attributes: the server's name that a client asks for, and the callbacks that decide by it. */
#include "alike.h"

static const int required = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

static int is_secure(const char *name)
{
    return name != NULL && strcmp(name, "secure.example") == 0;
}

static void calls_other(SSL *client, int made, int asked)
{
    (void)made;
    NEED(SSL_set_tlsext_host_name(client, asked ? "secure.example" : "open.example"));
}

static void calls_one_or_none(SSL *client, int made, int asked)
{
    (void)made;
    if (asked)
        NEED(SSL_set_tlsext_host_name(client, "secure.example"));
}

static void calls_secure(SSL *client, int made, int asked)
{
    calls_other(client, made, 1);
    (void)asked;
}

static void trusts(SSL_CTX *ctx)
{
    SSL_CTX_set_cert_store(ctx, store_of(0, 1));
}

static void trusts_only(SSL_CTX *ctx, int variant)
{
    (void)variant;
    trusts(ctx);
}

/* What a table says of secure.example: whether its clients are asked. */
static int tables[2] = { 0, 1 };
static int table_of_process;

static int ask_by_table(SSL *ssl, int *alert, void *table)
{
    (void)alert;
    if (*(int *)table && is_secure(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)))
        SSL_set_verify(ssl, required, NULL);
    return SSL_TLSEXT_ERR_OK;
}

static void asks_by_name(SSL_CTX *ctx, int variant)
{
    (void)variant;
    trusts(ctx);
    SSL_CTX_set_tlsext_servername_callback(ctx, ask_by_table);
    SSL_CTX_set_tlsext_servername_arg(ctx, &tables[1]);
}

static void asks_by_argument(SSL_CTX *ctx, int variant)
{
    asks_by_name(ctx, variant);
    SSL_CTX_set_tlsext_servername_arg(ctx, &tables[variant]);
}

static void asks_by_process(SSL_CTX *ctx, int variant)
{
    asks_by_name(ctx, variant);
    table_of_process = variant;
    SSL_CTX_set_tlsext_servername_arg(ctx, &table_of_process);
}

static int allow_all(SSL *ssl, int *alert, void *argument)
{
    (void)ssl, (void)alert, (void)argument;
    return SSL_TLSEXT_ERR_OK;
}

static void other_function(SSL_CTX *ctx, int variant)
{
    asks_by_name(ctx, variant);
    if (!variant)
        SSL_CTX_set_tlsext_servername_callback(ctx, allow_all);
}

/* The context of secure.example, which the callback's argument has in place of a table. */
static int move_by_name(SSL *ssl, int *alert, void *secure)
{
    (void)alert;
    if (secure != NULL && is_secure(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))) {
        NEED(SSL_set_SSL_CTX(ssl, secure) == secure);
        SSL_set_verify(ssl, SSL_CTX_get_verify_mode(secure), NULL);
    }
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *secure_context(void)
{
    static SSL_CTX *secure;
    if (secure == NULL) {
        secure = bare_server();
        ask_for_certificate(secure);
    }
    return secure;
}

static void moves_by_name(SSL_CTX *ctx, int variant)
{
    (void)variant;
    trusts(ctx);
    SSL_CTX_set_tlsext_servername_callback(ctx, move_by_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, secure_context());
}

static void moves_by_argument(SSL_CTX *ctx, int variant)
{
    moves_by_name(ctx, variant);
    if (!variant)
        SSL_CTX_set_tlsext_servername_arg(ctx, NULL);
}

/* The name in a ClientHello, where it is first looked at. */
static int ask_at_hello(SSL *ssl, int *alert, void *table)
{
    const unsigned char *name;
    size_t length, end = strlen("secure.example");
    (void)alert;
    if (*(int *)table && SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &name, &length) && length > end &&
        memcmp(name + length - end, "secure.example", end) == 0)
        SSL_set_verify(ssl, required, NULL);
    return SSL_CLIENT_HELLO_SUCCESS;
}

static void hello_by_name(SSL_CTX *ctx, int variant)
{
    (void)variant;
    trusts(ctx);
    SSL_CTX_set_client_hello_cb(ctx, ask_at_hello, &tables[1]);
}

static void hello_by_argument(SSL_CTX *ctx, int variant)
{
    trusts(ctx);
    SSL_CTX_set_client_hello_cb(ctx, ask_at_hello, &tables[variant]);
}

static int ask_at_certificate(SSL *ssl, void *table)
{
    if (*(int *)table && is_secure(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)))
        SSL_set_verify(ssl, required, NULL);
    return 1;
}

static void certificate_by_name(SSL_CTX *ctx, int variant)
{
    (void)variant;
    trusts(ctx);
    SSL_CTX_set_cert_cb(ctx, ask_at_certificate, &tables[1]);
}

static void certificate_by_argument(SSL_CTX *ctx, int variant)
{
    trusts(ctx);
    SSL_CTX_set_cert_cb(ctx, ask_at_certificate, &tables[variant]);
}

static void certificate_callback(SSL_CTX *ctx, int variant)
{
    trusts(ctx);
    SSL_CTX_set_cert_cb(ctx, variant ? ask_at_certificate : NULL, &tables[1]);
}

static void certificate_of_connection(SSL *server, int variant)
{
    SSL_set_cert_cb(server, variant ? ask_at_certificate : NULL, &tables[1]);
}

#define CERTIFIED .apart = { 0, ONLY_WITH_NAME }, .why = "client certificates"

const Attribute named_attributes[] = {
    { "server name/another", OF_CONNECTIONS, .client = calls_other },
    { "server name/none", OF_CONNECTIONS, .client = calls_one_or_none },
    { "servername callback/asks for one", LEARNED_BY_USE | OF_CONNECTIONS, .context = asks_by_name, .client = calls_other, CERTIFIED },
    { "servername callback/by its argument", LEARNED_BY_USE, .context = asks_by_argument, .client = calls_secure, CERTIFIED },
    { "servername callback/by process", LEARNED_BY_USE | OF_PROCESSES, .context = asks_by_process, .client = calls_secure, CERTIFIED },
    { "servername callback/another", LEARNED_BY_USE, .context = other_function, .client = calls_secure, CERTIFIED },
    { "servername callback/moves", LEARNED_BY_USE | OF_CONNECTIONS, .context = moves_by_name, .client = calls_other, CERTIFIED },
    { "servername callback/moves by its argument", LEARNED_BY_USE, .context = moves_by_argument, .client = calls_secure, CERTIFIED },
    { "client-hello callback/asks for one", OF_CONNECTIONS, .context = hello_by_name, .client = calls_other, CERTIFIED },
    { "client-hello callback/by its argument", .context = hello_by_argument, .client = calls_secure, CERTIFIED },
    { "certificate callback/asks for one", LEARNED_BY_USE | OF_CONNECTIONS, .context = certificate_by_name, .client = calls_other, CERTIFIED },
    { "certificate callback/by its argument", LEARNED_BY_USE, .context = certificate_by_argument, .client = calls_secure, CERTIFIED },
    { "certificate callback/none", LEARNED_BY_USE, .context = certificate_callback, .client = calls_secure, CERTIFIED },
    { "certificate callback/of a connection", LEARNED_BY_USE | OF_CONNECTIONS, .context = trusts_only, .connection = certificate_of_connection,
      .client = calls_secure,
      .apart = { 0, NOWHERE }, .why = "it may set anything, at any connection" },
    { .name = NULL },
};
