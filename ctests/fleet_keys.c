/*
 * Processes that have nothing in common but the keys that an agent has published into the mailbox of each resume each
 * other's stateless tickets, as servers on several hosts do. sslcache(7), "A fleet".
 *
 * settings: SSLCACHE_REGION=none
 */
#include "agent.h"
#include "workers.h"

#define HOSTS 2

/* What the clocks of the hosts are ahead; shared with the workers. */
static volatile time_t *ahead;
static int host;
static time_t start;

time_t time(time_t *place)
{
    time_t now = start + ahead[host];
    if (place != NULL)
        *place = now;
    return now;
}

static Worker open_host(int number, int version)
{
    Worker worker;
    host = number;
    worker = worker_start();
    host = 0;
    worker_do(&worker, OPEN_TICKET_SHOP, version, NULL);
    return worker;
}

static FleetKey key_of(uint64_t epoch, int number, int makes)
{
    FleetKey key = { epoch, (int64_t)(epoch + 4) * EPOCH, "", "", makes };
    memset(key.name, number, sizeof key.name);
    memset(key.secret, 255 - number, sizeof key.secret);
    return key;
}

static void publish(unsigned char *const *mailboxes, int count, const FleetKey *keys, uint64_t number)
{
    int i;
    for (i = 0; i < count; i++)
        if (mailboxes[i] != NULL)
            agent_publish(mailboxes[i], keys, number);
}

/* A client has a clock of its own, and offers no ticket that it got in the future. */
static Ticket received(const Ticket *ticket, time_t when)
{
    SSL_SESSION *session = from_ticket(ticket);
    Ticket changed;
    SSL_SESSION_set_time(session, (long)when);
    changed = as_ticket(session);
    SSL_SESSION_free(session);
    return changed;
}

static int made_with(const Ticket *ticket, int number)
{
    SSL_SESSION *session = from_ticket(ticket);
    const unsigned char *bytes;
    size_t length;
    int is;
    SSL_SESSION_get0_ticket(session, &bytes, &length);
    is = length > 16 && bytes[0] == number && bytes[15] == number;
    SSL_SESSION_free(session);
    return is;
}

static void two_hosts(const Agent *agent, const char *name, int version)
{
    const uint64_t epoch = (uint64_t)start / EPOCH;
    FleetKey keys[4] = { key_of(epoch, 1, 1), key_of(epoch + 1, 2, 1), key_of(epoch + 2, 3, 1), key_of(epoch, 4, 0) };
    unsigned char *mailboxes[HOSTS];
    Worker hosts[HOSTS];
    Ticket before, first, ahead_of_time, later, alone;
    int i;
    heading("%s", name);
    ahead[0] = ahead[1] = 0;
    for (i = 0; i < HOSTS; i++) {
        hosts[i] = open_host(i, version);
        mailboxes[i] = agent_receive(agent);
    }
    before = ticket_from(&hosts[0]);
    printf("before the keys came: %ld at home, %ld elsewhere\n", resumed_at(&hosts[0], &before), resumed_at(&hosts[1], &before));
    publish(mailboxes, HOSTS, keys, 3);
    first = ticket_from(&hosts[0]);
    divergence("fleet_keys", "%d", made_with(&first, 1));
    divergence("fleet_keys", "%ld", resumed_at(&hosts[1], &first));
    printf("made before, at home: %ld\n", resumed_at(&hosts[0], &before));

    ahead[0] = EPOCH; /* a clock that is an hour ahead */
    ahead_of_time = ticket_from(&hosts[0]);
    ahead_of_time = received(&ahead_of_time, start);
    divergence("fleet_keys", "%d", made_with(&ahead_of_time, 2));
    divergence("fleet_keys", "%ld", resumed_at(&hosts[1], &ahead_of_time));
    ahead[1] = EPOCH;
    divergence("fleet_keys", "%ld", resumed_at(&hosts[1], &first));

    ahead[0] = ahead[1] = 0; /* another key of this hour, which opens only */
    publish(mailboxes, HOSTS, keys + 3, 1);
    divergence("fleet_keys_opened_only", "%ld", resumed_at(&hosts[0], &first));
    later = ticket_from(&hosts[0]);
    printf("its own key: %d\n", !made_with(&later, 4) && resumed_at(&hosts[0], &later));
    printf("elsewhere: %ld\n", resumed_at(&hosts[1], &later));

    publish(mailboxes, HOSTS, keys, 3); /* and the agents end: the keys last for two more hours */
    ahead[0] = ahead[1] = 2 * EPOCH;
    alone = ticket_from(&hosts[1]);
    divergence("fleet_keys", "%d", made_with(&alone, 3));
    ahead[0] = ahead[1] = 3 * EPOCH;
    divergence("fleet_keys", "%ld", resumed_at(&hosts[0], &alone));
    alone = ticket_from(&hosts[1]);
    printf("without keys: %ld at home, %ld elsewhere\n", resumed_at(&hosts[1], &alone), resumed_at(&hosts[0], &alone));
    for (i = 0; i < HOSTS; i++) {
        worker_end(&hosts[i]);
        if (mailboxes[i] != NULL)
            munmap(mailboxes[i], MAILBOX_BYTES);
    }
}

static void by_the_server_s_order(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

static void another_rule(const Agent *agent)
{
    FleetKey key = key_of((uint64_t)start / EPOCH, 1, 1);
    unsigned char *mailboxes[3];
    Worker hosts[3];
    Ticket first;
    int i;
    heading("another rule, and keys that are damaged");
    ahead[0] = ahead[1] = 0;
    for (i = 0; i < 3; i++) {
        furnish = i == 1 ? by_the_server_s_order : NULL;
        hosts[i] = open_host(0, TLS1_3_VERSION);
        mailboxes[i] = agent_receive(agent);
    }
    publish(mailboxes, 3, &key, 1);
    first = ticket_from(&hosts[0]);
    divergence("fleet_keys", "%ld", resumed_at(&hosts[2], &first));
    printf("another rule: %ld\n", resumed_at(&hosts[1], &first));
    publish(mailboxes, 3, &key, 1);
    for (i = 0; i < 3; i++)
        if (mailboxes[i] != NULL)
            mailboxes[i][4096 + 8192 * (*(uint64_t *)(mailboxes[i] + 40) & 1) + 8 + 40] ^= 1;
    printf("damaged: %ld\n", resumed_at(&hosts[2], &first));
    for (i = 0; i < 3; i++) {
        worker_end(&hosts[i]);
        if (mailboxes[i] != NULL)
            munmap(mailboxes[i], MAILBOX_BYTES);
    }
}

int main(void)
{
    Agent agent;
    struct timespec now;
    NEED(clock_gettime(CLOCK_REALTIME, &now) == 0);
    start = now.tv_sec / EPOCH * EPOCH + EPOCH / 2;
    ahead = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(ahead != MAP_FAILED);
    make_certificate();
    /* Not when the library was loaded: then all would share the memory that it makes for workers. */
    NEED(setenv("SSLCACHE_TICKET_KEYS", "fleet", 1) == 0);
    agent = agent_start();
    two_hosts(&agent, "TLS 1.2", TLS1_2_VERSION);
    two_hosts(&agent, "TLS 1.3", TLS1_3_VERSION);
    another_rule(&agent);
    agent_end(&agent);
    return 0;
}
