/* The ways of sharing, and what is tried in each: see alike.h. */
#include "ways.h"

#include "../fleet.h"

#include <sys/wait.h>
#include <unistd.h>

int version;
time_t began;

static const char any_certificates[] = "SSLCACHE_CERTIFICATES=any", patient[] = "SSLCACHE_AGENT_WAIT=1000";

const Way ways[] = {
    { "external", WAY_EXTERNAL, ONE_PROCESS, 0, 0, { NULL } },
    { "fork", WAY_FORK, OVER_A_FORK, 0, 0, { NULL } },
    { "fork_again", WAY_INHERITED, AGAIN_AFTER_FORK, 0, 0, { NULL } },
    { "certificate", WAY_GROUP, ONE_PROCESS, 0, 0, { "SSLCACHE_GROUP=certificate" } },
    { "certificate_processes", WAY_GROUP, PROCESSES, 0, 0, { "SSLCACHE_GROUP=certificate" } },
    { "name", WAY_NAMED, ONE_PROCESS, 0, 0, { "SSLCACHE_GROUP=shop" } },
    { "name_processes", WAY_NAMED, PROCESSES, 0, 0, { "SSLCACHE_GROUP=shop" } },
    { "region", WAY_GROUP, PROCESSES, 0, 0, { "SSLCACHE_REGION=" } },
    { "region_name", WAY_NAMED, PROCESSES, 0, 0, { "SSLCACHE_REGION=", "SSLCACHE_GROUP=shop" } },
    { "forced", WAY_FORCED, OVER_A_FORK, 0, 1, { "SSLCACHE_FORCE=1" } },
    { "forced_connections", WAY_FORCED, ONE_CONTEXT, 0, 1, { "SSLCACHE_FORCE=1" } },
    { "tickets", WAY_TICKETS, ONE_PROCESS, 1, 0, { "SSLCACHE_TICKET_KEYS=shared" } },
    { "tickets_processes", WAY_TICKETS, PROCESSES, 1, 0, { "SSLCACHE_TICKET_KEYS=shared" } },
    { "tickets_certificate", WAY_TICKETS, PROCESSES, 1, 0, { "SSLCACHE_TICKET_KEYS=shared", "SSLCACHE_GROUP=certificate" } },
    { "tickets_name", WAY_NAMED_TICKETS, PROCESSES, 1, 0, { "SSLCACHE_TICKET_KEYS=shared", "SSLCACHE_GROUP=shop" } },
    { "hosts", WAY_NAMED, HOSTS, 0, 0, { "SSLCACHE_REGION=", "SSLCACHE_GROUP=shop" } },
    { "hosts_tickets", WAY_NAMED_TICKETS, HOSTS, 1, 0, { "SSLCACHE_REGION=", "SSLCACHE_GROUP=shop", "SSLCACHE_TICKET_KEYS=shared" } },
    { "hosts_any", WAY_NAMED, HOSTS, 0, 0, { "SSLCACHE_REGION=", "SSLCACHE_GROUP=shop", any_certificates } },
    { "hosts_any_tickets", WAY_NAMED_TICKETS, HOSTS, 1, 0,
      { "SSLCACHE_REGION=", "SSLCACHE_GROUP=shop", any_certificates, "SSLCACHE_TICKET_KEYS=shared" } },
    { "hosts_fleet", WAY_NAMED, HOSTS, 0, 0, { "SSLCACHE_GROUP=shop", patient } },
    { "hosts_any_fleet", WAY_NAMED, HOSTS, 0, 0, { "SSLCACHE_GROUP=shop", any_certificates, patient } },
    { .name = NULL },
};

/* A client's session, as DER. */
typedef struct {
    int length;
    unsigned char der[8192];
} Handed;

/* What came of it, written by several processes. Of sessions by the variant they were made with, or asked with. */
typedef struct {
    Handed made[2];
    int equal[2], crossed[2];
} Result;

enum { NOT_TRIED = -1 };

static const Attribute *row;
static const Way *way;
static Result *result;
static SSL_CTX *client, *inherited, *makers[2], *others[2];

/* Contexts */

static SSL_CTX *in_this_way(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (way->tickets)
        with_tickets(ctx);
    if (way->is_off)
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

SSL_CTX *bare_server(void)
{
    return in_this_way(server_context("server", version));
}

void ask_for_certificate(SSL_CTX *ctx)
{
    SSL_CTX_set_cert_store(ctx, store_of(0, 1));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

/* A context that the attribute made, as bare_server makes one. */
static SSL_CTX *made_by_row(int variant)
{
    SSL_CTX *ctx = row->make(variant), *like = server_context("like", version);
    NEED(ctx != NULL && SSL_CTX_use_certificate(ctx, SSL_CTX_get0_certificate(like)));
    NEED(SSL_CTX_use_PrivateKey(ctx, SSL_CTX_get0_privatekey(like)));
    NEED(SSL_CTX_set_min_proto_version(ctx, version) && SSL_CTX_set_max_proto_version(ctx, version));
    NEED(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"ctests", 6));
    SSL_CTX_free(like);
    return in_this_way(ctx);
}

static SSL_CTX *server_before(int variant)
{
    SSL_CTX *ctx = row->make != NULL ? made_by_row(variant) : bare_server();
    if (row->flags & ASKS)
        ask_for_certificate(ctx);
    return ctx;
}

static SSL_CTX *set_up(SSL_CTX *ctx, int variant)
{
    if (row->context != NULL)
        row->context(ctx, variant);
    return ctx;
}

/* For the client of everything, who has a certificate and shows it if asked. */
static SSL_CTX *new_client(void)
{
    SSL_CTX *ctx = client_context("client", version);
    NEED(SSL_CTX_use_certificate(ctx, person(0)) && SSL_CTX_use_PrivateKey(ctx, person_key()));
    if (way->tickets)
        with_tickets(ctx);
    if (version == TLS1_2_VERSION)
        become_srp_guest(ctx);
    return ctx;
}

/* Handshakes */

/* A handshake with a server of the variant `asked`; whether it resumed the session that was `made` and is `offered`. */
static int meet(SSL_CTX *server, int made, int asked, const Handed *offered, Handed *got)
{
    const unsigned char *from = offered == NULL ? NULL : offered->der;
    SSL_SESSION *session = offered == NULL ? NULL : d2i_SSL_SESSION(NULL, &from, offered->length);
    Pair pair = pair_new(client, server, session);
    int done, reused;
    if (row->client != NULL)
        row->client(pair.client, made, asked);
    if (row->connection != NULL)
        row->connection(pair.server, asked);
    /* In TLS 1.3 the client is done before the server is. */
    done = handshake(&pair) && SSL_is_init_finished(pair.server);
    reused = done && SSL_session_reused(pair.server);
    if (got != NULL && done) {
        unsigned char *to = got->der;
        NEED(i2d_SSL_SESSION(SSL_get0_session(pair.client), NULL) <= (int)sizeof got->der);
        got->length = i2d_SSL_SESSION(SSL_get0_session(pair.client), &to);
    }
    SSL_SESSION_free(session);
    close_cleanly(&pair);
    return reused;
}

void visit_once(SSL_CTX *server)
{
    SSL_SESSION_free(visit_quietly(client, server, NULL, NULL));
}

/* What is learned by use is learned in the full handshake after a refusal. */
static int offer(SSL_CTX *server, int made, int asked)
{
    const Handed *session = &result->made[made];
    int reused;
    if (session->length == 0)
        return NOT_TRIED;
    reused = meet(server, made, asked, session, NULL);
    return !reused && row->flags & LEARNED_BY_USE ? meet(server, made, asked, session, NULL) : reused;
}

/* An application that shares everything by its own callbacks: nothing compares but libssl itself. */

static struct {
    unsigned char id[SSL_MAX_SSL_SESSION_ID_LENGTH];
    Handed session;
} kept[16];
static unsigned number_kept;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    unsigned length;
    const unsigned char *id = SSL_SESSION_get_id(session, &length);
    unsigned char *to = kept[number_kept % 16].session.der;
    (void)ssl;
    NEED(length == sizeof kept[0].id && i2d_SSL_SESSION(session, NULL) <= (int)sizeof kept[0].session.der);
    memcpy(kept[number_kept % 16].id, id, length);
    kept[number_kept++ % 16].session.length = i2d_SSL_SESSION(session, &to);
    return 0;
}

static SSL_SESSION *find(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    unsigned at;
    (void)ssl;
    *copy = 0;
    for (at = 0; at < 16 && at < number_kept; at++)
        if (length == sizeof kept[0].id && memcmp(kept[at].id, id, (size_t)length) == 0) {
            const unsigned char *from = kept[at].session.der;
            return d2i_SSL_SESSION(NULL, &from, kept[at].session.length);
        }
    return NULL;
}

static SSL_CTX *left_to_application(SSL_CTX *ctx)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep);
    SSL_CTX_sess_set_get_cb(ctx, find);
    return ctx;
}

/* Steps, each in a process of its own where the way has several. */

static SSL_CTX *server_of(SSL_CTX *const *in_one_process, int variant)
{
    SSL_CTX *ctx;
    switch (way->layout) {
    case OVER_A_FORK:
        return set_up(inherited, variant);
    case AGAIN_AFTER_FORK:
        return variant ? set_up(inherited, variant) : inherited;
    case HOSTS:
        ctx = set_up(server_before(variant), variant);
        met_by_agent();
        return ctx;
    case PROCESSES:
        return set_up(server_before(variant), variant);
    case ONE_PROCESS:
        return in_one_process[variant];
    case ONE_CONTEXT:
        break;
    }
    return inherited;
}

static void make(int variant)
{
    SSL_CTX *server = server_of(makers, variant);
    meet(server, variant, variant, NULL, &result->made[variant]);
    /* The session stays what it is, whatever becomes of the context in which it was made. */
    if (way->layout == AGAIN_AFTER_FORK)
        visit_once(set_up(server, 1));
}

static void ask(int variant)
{
    SSL_CTX *server = server_of(others, variant);
    result->crossed[!variant] = offer(server, !variant, variant);
    result->equal[variant] = offer(server, variant, variant);
}

static int is_forked(void)
{
    return way->layout == OVER_A_FORK || way->layout == AGAIN_AFTER_FORK || way->layout == PROCESSES || way->layout == HOSTS;
}

static void make_elsewhere(int variant)
{
    become_host(row, way, 'm', variant);
}

static void ask_elsewhere(int variant)
{
    become_host(row, way, 'a', variant);
}

/* Whether it came to its end. */
static int in_child(void (*step)(int variant), int variant)
{
    int status;
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        alarm(20);
        step(variant);
        _exit(0);
    }
    NEED(waitpid(child, &status, 0) == child);
    return status == 0;
}

static int take(void (*step)(int variant), int variant)
{
    if (way->layout == HOSTS)
        return in_child(step == make ? make_elsewhere : ask_elsewhere, variant);
    if (is_forked())
        return in_child(step, variant);
    step(variant);
    return 1;
}

static void make_contexts(void)
{
    int variant;
    if (way->layout != PROCESSES && way->layout != HOSTS && way->layout != ONE_PROCESS)
        inherited = server_before(0);
    if (way->layout == AGAIN_AFTER_FORK || way->layout == ONE_CONTEXT)
        set_up(inherited, 0);
    for (variant = 0; variant < 2 && way->layout == ONE_PROCESS; variant++) {
        makers[variant] = set_up(server_before(variant), variant);
        others[variant] = set_up(server_before(variant), variant);
        if (way->bit == WAY_EXTERNAL) {
            left_to_application(makers[variant]);
            left_to_application(others[variant]);
        }
    }
}

static int take_steps(void)
{
    int done;
    make_contexts();
    done = take(make, 0);
    if (way->layout != AGAIN_AFTER_FORK)
        done &= take(make, 1);
    done &= take(ask, 0);
    return done & take(ask, 1);
}

/* A process of its own: what an attribute leaves in it is not there for the next. */
static void take_all(int unused)
{
    (void)unused;
    if (!take_steps())
        abort();
}

/* Verdicts */

static int takes_any_certificate(const Way *in)
{
    int which;
    for (which = 0; which < 4; which++)
        if (in->settings[which] == any_certificates)
            return 1;
    return 0;
}

/* Whether it is about names, or about certificates and names: all others are tried where certificates are compared. */
static int is_of_names(const Attribute *attribute)
{
    static const char *const about[] = { "nothing", "certificates/", "server name", "servername callback/" };
    size_t which;
    for (which = 0; which < sizeof about / sizeof about[0]; which++)
        if (strncmp(attribute->name, about[which], strlen(about[which])) == 0)
            return 1;
    return 0;
}

int is_tried(const Attribute *attribute, const Way *in)
{
    unsigned other = version == TLS1_2_VERSION ? ONLY_TLS13 : ONLY_TLS12;
    if (attribute->flags & (other | NOT_HERE))
        return 0;
    if (takes_any_certificate(in) && !is_of_names(attribute))
        return 0;
    if (attribute->flags & OVER_FORKS && in->layout != OVER_A_FORK && in->layout != AGAIN_AFTER_FORK)
        return 0;
    switch (in->layout) {
    case OVER_A_FORK:
        return attribute->make == NULL;
    case AGAIN_AFTER_FORK:
        return attribute->make == NULL && attribute->context != NULL;
    case ONE_PROCESS:
        return !(attribute->flags & OF_PROCESSES);
    case ONE_CONTEXT:
        return (attribute->flags & OF_CONNECTIONS) != 0;
    case PROCESSES:
    case HOSTS:
        break;
    }
    return 1;
}

static const char *const variants[2] = { "first", "second" };

static int complain(const char *kind, int variant, const char *text)
{
    printf("%s %s: %s variant: %s\n", kind, row->name, variants[variant], text);
    return 1;
}

static int judge_equal(int variant)
{
    int of_process = row->flags & KNOWN_BY_PROCESS && way->layout == ONE_PROCESS;
    unsigned apart = row->apart[of_process ? 1 : variant] | (row->flags & ASKS ? ONLY_WITH_NAME : 0);
    int keeps_to_itself = (apart & way->bit) != 0;
    if (variant == 1 && (way->layout == AGAIN_AFTER_FORK || row->flags & SECOND_MAKES_NONE))
        return 0;
    if (result->made[variant].length == 0)
        return complain("BROKEN", variant, "no session was made");
    if (result->equal[variant] == !keeps_to_itself)
        return 0;
    if (keeps_to_itself)
        return complain("SHARED", variant, row->why == NULL ? "client certificates" : row->why);
    return complain("APART", variant, "equals do not share");
}

static int judge_crossing(int variant)
{
    int is_same = (row->flags & SAME) || (row->flags & OF_CERTIFICATES && takes_any_certificate(way));
    int is_right = is_same ? 1 : 0;
    if (result->crossed[variant] == NOT_TRIED || result->crossed[variant] == is_right)
        return 0;
    return is_right ? complain("APART", variant, "equals do not share")
                    : complain("CROSSED", variant, "its session was resumed with the other");
}

/* Where everything is shared, it crosses, or nothing would be proven by its not crossing elsewhere. */
static int judge_external(void)
{
    int crosses = result->crossed[0] == 1 || result->crossed[1] == 1;
    if (crosses == !(row->flags & LIBSSL_REFUSES))
        return 0;
    return complain("VAIN", 0, crosses ? "libssl does not refuse it" : "it cannot cross at all");
}

static void begin(const Attribute *attribute, const Way *in)
{
    row = attribute;
    way = in;
    if (result == NULL) {
        result = seen_by_all_hosts(sizeof *result);
        client = new_client();
    }
}

void take_step(const Attribute *attribute, const Way *in, char which, int variant)
{
    begin(attribute, in);
    (which == 'm' ? make : ask)(variant);
}

int wrong(const Attribute *attribute, const Way *in)
{
    int variant, count = 0, is_external = in->bit == WAY_EXTERNAL;
    begin(attribute, in);
    memset(result, 0, sizeof *result);
    result->equal[0] = result->equal[1] = result->crossed[0] = result->crossed[1] = NOT_TRIED;
    inherited = NULL;
    if (!(is_forked() ? take_steps() : in_child(take_all, 0)))
        count += complain("BROKEN", 0, "a process ended before its time");
    for (variant = 0; variant < 2; variant++) {
        count += is_external ? 0 : judge_equal(variant);
        count += is_external ? 0 : judge_crossing(variant);
    }
    count += is_external ? judge_external() : 0;
    SSL_CTX_free(inherited);
    return count;
}
