/*
 * settings: SSLCACHE_GROUP=shop
 *
 * In a group with a name, contexts that ask clients for certificates share if they trust the same authorities: those of
 * the store that verifies clients, whichever it is and however late it is set.
 */
#include "common.h"

int sessions_are_bare(void)
{
    return 1;
}

static SSL_CTX *asking(const char *name)
{
    SSL_CTX *ctx = server_context(name, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ctx;
}

/* A certificate of its own authority, with the key of the server's. */
static X509 *authority(const char *name)
{
    SSL_CTX *ctx = server_context("any", TLS1_2_VERSION);
    X509 *made = X509_dup(SSL_CTX_get0_certificate(ctx));
    X509_NAME *subject = X509_NAME_new();
    NEED(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0));
    NEED(X509_set_subject_name(made, subject) && X509_set_issuer_name(made, subject));
    NEED(X509_sign(made, SSL_CTX_get0_privatekey(ctx), EVP_sha256()));
    X509_NAME_free(subject);
    SSL_CTX_free(ctx);
    return made;
}

static X509_STORE *store_of(X509 *trusted)
{
    X509_STORE *store = X509_STORE_new();
    NEED(store != NULL && X509_STORE_add_cert(store, trusted));
    return store;
}

/* Everything that the context verifies. */
static SSL_CTX *trusting(SSL_CTX *ctx, X509 *trusted)
{
    SSL_CTX_set_cert_store(ctx, store_of(trusted));
    return ctx;
}

/* Clients alone. */
static SSL_CTX *verifying_by(SSL_CTX *ctx, X509 *trusted)
{
    NEED(SSL_CTX_set0_verify_cert_store(ctx, store_of(trusted)));
    return ctx;
}

static SSL_CTX *naming(SSL_CTX *ctx, X509 *named)
{
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    NEED(sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(named))));
    SSL_CTX_set_client_CA_list(ctx, names);
    return ctx;
}

static SSL_CTX *client_with(X509 *certificate)
{
    SSL_CTX *ctx = client_context("client", TLS1_2_VERSION), *server = server_context("any", TLS1_2_VERSION);
    NEED(SSL_CTX_use_certificate(ctx, certificate));
    NEED(SSL_CTX_use_PrivateKey(ctx, SSL_CTX_get0_privatekey(server)));
    SSL_CTX_free(server);
    return ctx;
}

static const char *offer(SSL_CTX *client, SSL_CTX *server, SSL_SESSION *session)
{
    Pair pair = pair_new(client, server, session);
    const char *answer = !handshake(&pair) ? "refused" : SSL_session_reused(pair.server) ? "resumed" : "accepted";
    close_cleanly(&pair);
    return answer;
}

int main(void)
{
    X509 *a = authority("a"), *b = authority("b");
    SSL_CTX *client = client_with(a);
    SSL_CTX *one = verifying_by(trusting(asking("one"), b), a), *alike = verifying_by(trusting(asking("alike"), b), a);
    SSL_CTX *other = verifying_by(trusting(asking("other"), b), b);
    SSL_CTX *plain = naming(trusting(asking("plain"), a), a), *changes = naming(trusting(asking("changes"), a), a);
    SSL_SESSION *session;

    heading("a store for clients alone");
    session = visit_quietly(client, one, NULL, NULL);
    divergence("group_authorities", "%s", offer(client, alike, session));
    printf("another one: %s\n", offer(client, other, session));
    SSL_SESSION_free(session);

    heading("a context that changes");
    session = visit_quietly(client, plain, NULL, NULL);
    divergence("group_authorities", "%s", offer(client, changes, session));
    naming(changes, b);
    printf("what it names: %s\n", offer(client, changes, session));
    naming(changes, a);
    divergence("group_authorities", "%s", offer(client, changes, session));
    trusting(changes, b);
    printf("what it trusts: %s\n", offer(client, changes, session));
    trusting(changes, a);
    divergence("group_authorities", "%s", offer(client, changes, session));
    verifying_by(changes, b);
    printf("what it verifies clients by: %s\n", offer(client, changes, session));
    SSL_SESSION_free(session);

    SSL_CTX_free(client);
    SSL_CTX_free(one);
    SSL_CTX_free(alike);
    SSL_CTX_free(other);
    SSL_CTX_free(plain);
    SSL_CTX_free(changes);
    X509_free(a);
    X509_free(b);
    return 0;
}
