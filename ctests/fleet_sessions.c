/*
 * Processes that have nothing in common but an agent resume each other's sessions, as servers on several hosts do, and none that
 * one of them has removed, flushed or given data of its own. sslcache(7), "A fleet".
 *
 * settings: SSLCACHE_AGENT_WAIT=1000
 * agent: keeps the sessions of all hosts
 */
#include "fleet.h"
#include "workers.h"

#define HOSTS 3

static Worker hosts[HOSTS];

static void by_the_server_s_order(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

static void early_data(SSL_CTX *context)
{
    NEED(SSL_CTX_set_max_early_data(context, 16384));
}

/* The third one has another rule. */
static void open_hosts(int version, void (*how)(SSL_CTX *))
{
    int i;
    for (i = 0; i < HOSTS; i++) {
        furnish = i == 2 ? by_the_server_s_order : how;
        hosts[i] = worker_start();
        worker_do(&hosts[i], OPEN_SHOP, version, NULL);
    }
}

static void close_hosts(void)
{
    int i;
    for (i = 0; i < HOSTS; i++)
        worker_end(&hosts[i]);
}

static void told(const char *what, int version)
{
    Ticket first, second, third, fourth, own;
    heading("%s", what);
    open_hosts(version, NULL);
    first = ticket_from(&hosts[0]);
    divergence("fleet_sessions", "%ld", resumed_soon(&hosts[1], &first, 1));
    printf("at home: %ld, under another rule: %ld\n", resumed_at(&hosts[0], &first), resumed_at(&hosts[2], &first));

    second = ticket_from(&hosts[0]);
    divergence("fleet_sessions", "%ld", resumed_soon(&hosts[1], &second, 1));
    worker_do(&hosts[0], REMOVE_LAST, 0, NULL);
    printf("removed at home: %ld at home, %ld elsewhere\n", resumed_at(&hosts[0], &second), resumed_soon(&hosts[1], &second, 0));

    third = ticket_from(&hosts[1]);
    divergence("fleet_sessions", "%ld", resumed_soon(&hosts[0], &third, 1));
    fourth = ticket_from(&hosts[0]);
    worker_do(&hosts[1], FLUSH, 0, NULL);
    printf("flushed elsewhere: %ld there\n", resumed_at(&hosts[1], &third));
    divergence("fleet_flushed", "%ld", resumed_soon(&hosts[0], &fourth, 0));

    sleep(1); /* a flush counts for its whole second */
    own = ticket_from(&hosts[0]);
    divergence("fleet_sessions", "%ld", resumed_soon(&hosts[1], &own, 1));
    worker_do(&hosts[0], LATE_DATA, 0, NULL);
    printf("with data of its own: %ld at home, %ld elsewhere\n", resumed_at(&hosts[0], &own), resumed_soon(&hosts[1], &own, 0));
    close_hosts();
}

/* A visit that offers early data; 10 if it was resumed without that. */
static long early_at(const Worker *worker, const Ticket *ticket)
{
    Ticket copy = *ticket;
    return worker_do(worker, VISIT_EARLY, 0, &copy);
}

static void once(const char *where)
{
    Ticket ticket, other;
    int is_fleet = strcmp(where, "fleet") == 0;
    long elsewhere, at_home, before;
    heading("early data, %s", where);
    NEED(setenv("SSLCACHE_EARLY_DATA", where, 1) == 0);
    open_hosts(TLS1_3_VERSION, early_data);
    before = agent_was("put");
    ticket = ticket_from(&hosts[0]);
    agent_is_told(before, is_fleet);
    elsewhere = early_at(&hosts[1], &ticket);
    at_home = early_at(&hosts[0], &ticket);
    if (is_fleet)
        divergence("fleet_early", "%ld elsewhere", elsewhere);
    else
        printf("%ld elsewhere\n", elsewhere);
    printf("accepted: %ld\n", elsewhere + at_home);
    printf("again: %ld and %ld\n", early_at(&hosts[1], &ticket), early_at(&hosts[0], &ticket));
    before = agent_was("put");
    other = ticket_from(&hosts[0]);
    agent_is_told(before, is_fleet);
    at_home = early_at(&hosts[0], &other);
    printf("at home first: %ld, then elsewhere: %ld\n", at_home, early_at(&hosts[1], &other));
    close_hosts();
}

/* What a client has made up is not asked for: it costs nothing. */
static void made_up(void)
{
    static unsigned char id[32];
    Ticket ticket, foreign;
    SSL_SESSION *session;
    long before, elsewhere;
    int i;
    heading("ids that clients make up");
    open_hosts(TLS1_2_VERSION, NULL);
    ticket = ticket_from(&hosts[0]);
    session = from_ticket(&ticket);
    elsewhere = resumed_soon(&hosts[1], &ticket, 1);
    before = agent_was("asked");
    for (i = 0; i < 20; i++) {
        id[i] = (unsigned char)(100 + i);
        NEED(SSL_SESSION_set1_id(session, id, 1 + (unsigned)i * 31 / 19));
        foreign = as_ticket(session);
        NEED(resumed_at(&hosts[1], &foreign) == 0);
    }
    printf("asked for: %ld\n", agent_was("asked") - before);
    divergence("fleet_sessions", "%ld", elsewhere);
    SSL_SESSION_free(session);
    close_hosts();
}

int main(void)
{
    make_certificate();
    /* Not when the library was loaded: then all would share the memory that it makes for workers. */
    NEED(setenv("SSLCACHE_GROUP", "fleet", 1) == 0);
    told("TLS 1.2", TLS1_2_VERSION);
    told("TLS 1.3", TLS1_3_VERSION);
    made_up();
    once("home");
    once("fleet");
    return 0;
}
