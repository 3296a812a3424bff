/*
 * What a host does with its context decides what other hosts have of it, and it of them: sessions that are removed or flushed are gone
 * everywhere, though the context has become one that shares with nobody; a context that keeps no sessions gets none; and whatever
 * becomes of the generator of session ids, handshakes go on. sslcache(7), "A fleet"; SSL_CTX_set_generate_session_id(3).
 *
 * settings: SSLCACHE_AGENT_WAIT=1000
 * agent: keeps the sessions of all hosts
 */
#include "fleet.h"
#include "workers.h"

#include <dlfcn.h>
#include <openssl/rand.h>

static SSL_SESSION *kept;

static unsigned int no_psk(SSL *ssl, const char *identity, unsigned char *psk, unsigned int most)
{
    (void)ssl, (void)identity, (void)psk, (void)most;
    return 0;
}

static int resumable(SSL *ssl, int forward_secure)
{
    (void)ssl, (void)forward_secure;
    return 0;
}

static int own_ids(SSL *ssl, unsigned char *id, unsigned int *len)
{
    (void)ssl;
    return RAND_bytes(id, (int)*len);
}

enum { KEEP, REMOVE_KEPT, FLUSH_ALL, OTHER_ID_CONTEXTS, SET_PSK, SET_NOT_RESUMABLE, CHECK_POLICIES, VERIFY_CLIENTS, MAKE_IDS, LEAVE_IDS };

static int do_at_host(SSL_SESSION *session, long what)
{
    int i;
    switch (what) {
    case KEEP:
        NEED(SSL_SESSION_up_ref(session));
        kept = session;
        break;
    case REMOVE_KEPT:
        SSL_CTX_remove_session(server, kept);
        break;
    case FLUSH_ALL:
        SSL_CTX_flush_sessions(server, 0);
        break;
    case OTHER_ID_CONTEXTS:
        for (i = 0; i < 20; i++) {
            unsigned char other[] = { 'o', (unsigned char)i };
            NEED(SSL_CTX_set_session_id_context(server, other, sizeof other));
            SSL_SESSION_free(visit_quietly(client, server, NULL, NULL));
        }
        SSL_CTX_remove_session(server, kept);
        NEED(SSL_CTX_set_session_id_context(server, (const unsigned char *)"ctests", 6));
        break;
    case SET_PSK:
        SSL_CTX_set_psk_server_callback(server, no_psk);
        break;
    case SET_NOT_RESUMABLE:
        SSL_CTX_set_not_resumable_session_callback(server, resumable);
        break;
    case CHECK_POLICIES:
        NEED(X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(server), X509_V_FLAG_POLICY_CHECK));
        break;
    case VERIFY_CLIENTS:
        SSL_CTX_set_verify(server, SSL_VERIFY_PEER, NULL);
        break;
    case MAKE_IDS:
        NEED(SSL_CTX_set_generate_session_id(server, (GEN_SESSION_CB)own_ids));
        break;
    case LEAVE_IDS:
        NEED(SSL_CTX_set_generate_session_id(server, NULL));
        break;
    default:
        return 0;
    }
    return 1;
}

static Worker host(int version, void (*how)(SSL_CTX *))
{
    Worker worker;
    furnish = how;
    worker = worker_start();
    worker_do(&worker, OPEN_SHOP, version, NULL);
    return worker;
}

static void shares_with_nobody(const char *what, long rule)
{
    static const struct {
        const char *name;
        long what;
    } ends[] = { { "removed", REMOVE_KEPT }, { "flushed", FLUSH_ALL } };
    size_t i;
    for (i = 0; i < sizeof ends / sizeof *ends; i++) {
        Worker home = host(TLS1_2_VERSION, NULL), elsewhere = host(TLS1_2_VERSION, NULL);
        Ticket ticket = ticket_from(&home);
        worker_do(&home, CHANGE_LAST, KEEP, NULL);
        divergence("fleet_sessions", "%ld", resumed_soon(&elsewhere, &ticket, 1));
        worker_do(&home, CHANGE_LAST, rule, NULL);
        worker_do(&home, CHANGE_LAST, ends[i].what, NULL);
        printf("%s, then %s at home: %ld elsewhere\n", what, ends[i].name, resumed_soon(&elsewhere, &ticket, 0));
        worker_end(&home);
        worker_end(&elsewhere);
    }
}

static void no_cache(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static void for_clients(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
}

static void no_store(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_STORE);
}

static void no_lookup(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP);
}

static void keeps_nothing(int version)
{
    static void (*const modes[])(SSL_CTX *) = { no_cache, for_clients, no_store, no_lookup };
    Worker home = host(version, NULL), elsewhere = host(version, NULL);
    Ticket ticket = ticket_from(&home);
    size_t i;
    divergence("fleet_sessions", "%ld", resumed_soon(&elsewhere, &ticket, 1));
    for (i = 0; i < sizeof modes / sizeof *modes; i++) {
        Worker other = host(version, modes[i]);
        printf("mode %d: %ld\n", (int)i, resumed_at(&other, &ticket));
        worker_end(&other);
    }
    worker_end(&home);
    worker_end(&elsewhere);
}

static void early_data(SSL_CTX *context)
{
    NEED(SSL_CTX_set_max_early_data(context, 16384));
}

static void generators(void)
{
    Worker home = host(TLS1_2_VERSION, NULL), elsewhere = host(TLS1_2_VERSION, NULL);
    Ticket ticket;
    ticket = ticket_from(&home); /* now there is a last session */
    worker_do(&home, CHANGE_LAST, MAKE_IDS, NULL);
    ticket = ticket_from(&home);
    usleep(100000);
    printf("ids of the program: %ld elsewhere, %ld at home\n", resumed_at(&elsewhere, &ticket), resumed_at(&home, &ticket));
    worker_do(&home, CHANGE_LAST, LEAVE_IDS, NULL);
    ticket = ticket_from(&home);
    divergence("fleet_sessions", "%ld", resumed_soon(&elsewhere, &ticket, 1));
    worker_end(&home);
    worker_end(&elsewhere);

    NEED(setenv("SSLCACHE_EARLY_DATA", "fleet", 1) == 0);
    home = host(TLS1_3_VERSION, early_data);
    ticket = ticket_from(&home);
    worker_do(&home, CHANGE_LAST, MAKE_IDS, NULL);
    ticket = ticket_from(&home);
    printf("for early data, with ids of the program: %ld at home\n", resumed_at(&home, &ticket));
    worker_end(&home);
    NEED(unsetenv("SSLCACHE_EARLY_DATA") == 0);
}

static void forgotten(void)
{
    Worker home = host(TLS1_2_VERSION, NULL), elsewhere = host(TLS1_2_VERSION, NULL);
    Ticket ticket = ticket_from(&home);
    worker_do(&home, CHANGE_LAST, KEEP, NULL);
    divergence("fleet_sessions", "%ld", resumed_soon(&elsewhere, &ticket, 1));
    worker_do(&home, CHANGE_LAST, OTHER_ID_CONTEXTS, NULL);
    printf("removed under the last of many id contexts: %ld elsewhere", resumed_soon(&elsewhere, &ticket, 0));
    printf(", %ld at home\n", resumed_at(&home, &ticket));
    worker_end(&home);
    worker_end(&elsewhere);
}

static SSL_CTX *unseen;
static SSL_CTX *(*switch_context)(SSL *, SSL_CTX *);

static int to_unseen(SSL *ssl, int *alert, void *argument)
{
    (void)alert, (void)argument;
    switch_context(ssl, unseen);
    return SSL_TLSEXT_ERR_OK;
}

/* A part of the program that has libssl's functions from libssl itself makes a context, to which a server name leads. */
static void unseen_context(int version)
{
    static const char *const names[] = { "libssl.so.4", "libssl.so.3", "libssl.so.1.1" };
    SSL_CTX *(*make)(const SSL_METHOD *) = SSL_CTX_new;
    int (*use_certificate)(SSL_CTX *, X509 *) = SSL_CTX_use_certificate;
    int (*use_key)(SSL_CTX *, EVP_PKEY *) = SSL_CTX_use_PrivateKey;
    void *libssl = NULL;
    size_t i;
    Pair pair;
    switch_context = SSL_set_SSL_CTX;
    for (i = 0; i < sizeof names / sizeof *names && libssl == NULL; i++)
        libssl = dlopen(names[i], RTLD_NOW | RTLD_NOLOAD);
    if (libssl != NULL) {
        *(void **)&make = dlsym(libssl, "SSL_CTX_new");
        *(void **)&use_certificate = dlsym(libssl, "SSL_CTX_use_certificate");
        *(void **)&use_key = dlsym(libssl, "SSL_CTX_use_PrivateKey");
        *(void **)&switch_context = dlsym(libssl, "SSL_set_SSL_CTX");
    }
    open_shop(version);
    met_by_agent();
    unseen = make(TLS_method());
    NEED(unseen != NULL && use_certificate(unseen, SSL_CTX_get0_certificate(server)) && use_key(unseen, SSL_CTX_get0_privatekey(server)));
    SSL_CTX_set_tlsext_servername_callback(server, to_unseen);
    pair = pair_new(client, server, NULL);
    NEED(SSL_set_tlsext_host_name(pair.client, "unseen.example"));
    printf("handshake: %d\n", handshake(&pair));
    free_both(&pair);
    SSL_CTX_free(unseen);
    close_shop();
}

int main(void)
{
    make_certificate();
    change_last = do_at_host;
    NEED(setenv("SSLCACHE_GROUP", "fleet", 1) == 0);
    heading("a context that shares with nobody any more");
    shares_with_nobody("a callback for keys", SET_PSK);
    shares_with_nobody("a callback about resumption", SET_NOT_RESUMABLE);
    shares_with_nobody("policies", CHECK_POLICIES);
    shares_with_nobody("clients are verified", VERIFY_CLIENTS);
    forgotten();
    heading("contexts that keep no sessions");
    keeps_nothing(TLS1_2_VERSION);
    keeps_nothing(TLS1_3_VERSION);
    heading("generators of ids");
    generators();
    heading("a context that sslcache has not seen");
    unseen_context(TLS1_2_VERSION);
    unseen_context(TLS1_3_VERSION);
    return 0;
}
