/* Attributes: what is asked of a client, and whose certificates are good. */
#include "alike.h"

static int verified(int ok, X509_STORE_CTX *verification)
{
    (void)verification;
    return ok;
}

static int verified_otherwise(int ok, X509_STORE_CTX *verification)
{
    (void)verification;
    return ok;
}

static const int required = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

static void set_mode(SSL_CTX *ctx, int mode)
{
    SSL_CTX_set_cert_store(ctx, store_of(0, 1));
    SSL_CTX_set_verify(ctx, mode, NULL);
}

static void asks(SSL_CTX *ctx, int variant)
{
    set_mode(ctx, variant ? SSL_VERIFY_PEER : SSL_VERIFY_NONE);
}

static void requires(SSL_CTX *ctx, int variant)
{
    set_mode(ctx, variant ? required : SSL_VERIFY_PEER);
}

static void requires_or_not_asks(SSL_CTX *ctx, int variant)
{
    set_mode(ctx, variant ? required : SSL_VERIFY_NONE);
}

/* A client that was let in without one has none. */
static void without_at_first(SSL *client, int made, int asked)
{
    (void)asked;
    if (made == 0)
        SSL_certs_clear(client);
}

static void once(SSL_CTX *ctx, int variant)
{
    set_mode(ctx, variant ? required | SSL_VERIFY_CLIENT_ONCE : required);
}

static void after_the_handshake(SSL_CTX *ctx, int variant)
{
    set_mode(ctx, variant ? required | SSL_VERIFY_POST_HANDSHAKE : required);
}

static void offers_to_be_asked(SSL *client, int made, int asked)
{
    (void)made, (void)asked;
    SSL_set_post_handshake_auth(client, 1);
}

static void depth(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_verify_depth(ctx, 3 + variant);
}

static void has_callback(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_verify(ctx, required, variant ? verified : NULL);
}

static void other_callback(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_verify(ctx, required, variant ? verified_otherwise : verified);
}

static int verify_chain(X509_STORE_CTX *verification, void *argument)
{
    (void)argument;
    return X509_verify_cert(verification);
}

static int verify_chain_otherwise(X509_STORE_CTX *verification, void *argument)
{
    return verify_chain(verification, argument);
}

static void has_chain_callback(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_cert_verify_callback(ctx, variant ? verify_chain : NULL, NULL);
}

static void other_chain_callback(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_cert_verify_callback(ctx, variant ? verify_chain_otherwise : verify_chain, NULL);
}

static void other_chain_argument(SSL_CTX *ctx, int variant)
{
    static char arguments[2];
    SSL_CTX_set_cert_verify_callback(ctx, verify_chain, &arguments[variant]);
}

static void other_data(SSL_CTX *ctx, int variant)
{
    static char data[2];
    SSL_CTX_set_verify(ctx, required, verified);
    NEED(SSL_CTX_set_ex_data(ctx, SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL), &data[variant]));
}

static void names_authorities(SSL_CTX *ctx, int variant)
{
    int which;
    SSL_CTX_set_client_CA_list(ctx, NULL);
    for (which = 0; which <= variant; which++)
        NEED(SSL_CTX_add_client_CA(ctx, authority(which)));
}

static void other_store(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_cert_store(ctx, store_of(variant, 1));
}

static void person_of_each(SSL *client, int made, int asked)
{
    (void)asked;
    NEED(SSL_use_certificate(client, person(made)) && SSL_use_PrivateKey(client, person_key()));
}

static void larger_store(SSL_CTX *ctx, int variant)
{
    SSL_CTX_set_cert_store(ctx, store_of(0, 1 + variant));
}

static void grown_store(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority(1)));
}

static void with_revoked(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(X509_STORE_add_crl(SSL_CTX_get_cert_store(ctx), revoked()));
}

static void with_directory(SSL_CTX *ctx, int variant)
{
    if (variant)
        NEED(SSL_CTX_load_verify_dir(ctx, "/nowhere"));
}

/* Finds one authority, which is its data. libcrypto takes a reference of its own. */
static int found_when_asked(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type, const X509_NAME *name, X509_OBJECT *found)
{
    X509 *known = X509_LOOKUP_get_method_data(lookup);
    if (type != X509_LU_X509 || X509_NAME_cmp(name, X509_get_subject_name(known)) != 0)
        return 0;
    NEED(X509_OBJECT_set1_X509(found, known));
    X509_free(known);
    return 1;
}

/* An empty store that finds its authority by a function of the program's. */
static void found_by_lookup(SSL_CTX *ctx, int variant)
{
    X509_STORE *store = X509_STORE_new();
    X509_LOOKUP_METHOD *method = X509_LOOKUP_meth_new("one");
    X509_LOOKUP *lookup;
    NEED(method != NULL && X509_LOOKUP_meth_set_get_by_subject(method, found_when_asked));
    lookup = X509_STORE_add_lookup(store, method);
    NEED(lookup != NULL && X509_LOOKUP_set_method_data(lookup, authority(variant)));
    SSL_CTX_set_cert_store(ctx, store);
}

static void store_for_clients(SSL_CTX *ctx, int variant)
{
    X509_STORE *store = store_of(0, 2);
    if (variant)
        NEED(SSL_CTX_set1_verify_cert_store(ctx, store));
    X509_STORE_free(store);
}

/* A store of one authority, then of another, then of a third kind where the first lay. */
static void store_twice(SSL_CTX *ctx, int variant)
{
    X509_STORE *first = store_of(0, 1), *spare[64], *third = NULL;
    int tries;
    SSL_CTX_set_cert_store(ctx, first);
    if (!variant)
        return;
    visit_once(ctx);
    SSL_CTX_set_cert_store(ctx, store_of(1, 1));
    for (tries = 0; tries < 64 && third != first; tries++)
        spare[tries] = third = store_of(0, 2);
    X509_STORE_up_ref(third);
    SSL_CTX_set_cert_store(ctx, third);
    while (tries-- > 0)
        X509_STORE_free(spare[tries]);
}

/* Asked at the beginning, and of nobody's interest in the end, when the session is kept. */
static int verified_and_forgotten(int ok, X509_STORE_CTX *verification)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx());
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    return ok;
}

static void trusts(SSL_CTX *ctx, int variant)
{
    (void)variant;
    SSL_CTX_set_cert_store(ctx, store_of(0, 1));
}

static void asks_and_forgets(SSL *server, int variant)
{
    if (variant == 0)
        SSL_set_verify(server, SSL_VERIFY_PEER, verified_and_forgotten);
}

const Attribute asked_attributes[] = {
    { "verify mode/asks", .context = asks, .apart = { 0, ONLY_WITH_NAME }, .why = "client certificates" },
    { "verify mode/requires", .context = requires, .client = without_at_first, .apart = { ONLY_WITH_NAME, ONLY_WITH_NAME },
      .why = "client certificates" },
    { "verify mode/requires or asks nobody", .context = requires_or_not_asks, .client = without_at_first,
      .apart = { 0, ONLY_WITH_NAME }, .why = "client certificates" },
    { "verify mode/once", ASKS, .context = once },
    { "verify mode/after the handshake, before TLS 1.3", ASKS | ONLY_TLS12, .context = after_the_handshake,
      .client = offers_to_be_asked },
    { "verify mode/after the handshake", ASKS | ONLY_TLS13, .context = after_the_handshake, .client = offers_to_be_asked,
      .apart = { 0, NOWHERE }, .why = "who has to show one, and has not yet, may be anybody" },
    { "verification parameters/depth", ASKS, .context = depth },
    { "verify callbacks/none", ASKS, .context = has_callback },
    { "verify callbacks/another", ASKS, .context = other_callback },
    { "verify callbacks/of chains, none", ASKS, .context = has_chain_callback },
    { "verify callbacks/of chains, another", ASKS, .context = other_chain_callback },
    { "verify callbacks/of chains, its argument", ASKS, .context = other_chain_argument, .apart = { ONLY_INHERITED, ONLY_INHERITED },
      .why = "what it points to cannot be compared" },
    { "verify callbacks/data that they may find", ASKS | OVER_FORKS, .context = other_data,
      .apart = { WAY_FORK, WAY_FORK }, .why = "what the data means is known to the callback alone" },
    { "named authorities", ASKS, .context = names_authorities },
    { "trusted store/another authority", ASKS, .context = other_store, .client = person_of_each },
    { "trusted store/one more", ASKS, .context = larger_store },
    { "trusted store/one added", ASKS, .context = grown_store },
    { "trusted store/revocation list", ASKS, .context = with_revoked },
    { "trusted store/directory", ASKS, .context = with_directory, .apart = { 0, ONLY_INHERITED },
      .why = "what is in the directory is seen by nobody; those that were forked see the same" },
    { "trusted store/found when asked", ASKS, .context = found_by_lookup, .client = person_of_each,
      .apart = { NOWHERE, NOWHERE }, .why = "what an empty store will find is not told" },
    { "trusted store/replaced twice", ASKS, .context = store_twice },
    { "trusted store/for clients", ASKS, .context = store_for_clients },
    { "verify mode/forgotten", .context = trusts, .connection = asks_and_forgets, .apart = { NOWHERE, 0 },
      .why = "what was asked is not known any more" },
    { .name = NULL },
};
