/* The ways of sharing: see alike.h. */
#ifndef CTESTS_ALIKE_WAYS_H
#define CTESTS_ALIKE_WAYS_H

#include "alike.h"

/* How contexts, connections and processes are laid out. */
typedef enum {
    OVER_A_FORK,      /* one context, which each process sets up for itself */
    AGAIN_AFTER_FORK, /* one context, set up as the first variant, which a process sets up again as the second */
    ONE_PROCESS,      /* contexts made apart */
    PROCESSES,        /* the same, each in a process of its own that was forked before */
    HOSTS,            /* the same, each in a process of its own that was executed anew: as on another host */
    ONE_CONTEXT       /* connections that differ */
} Layout;

typedef struct {
    const char *name;
    unsigned bit;
    Layout layout;
    int tickets, is_off;
    /* The environment: four settings, or fewer. */
    const char *settings[4];
} Way;

/* Ends with a way without a name. */
extern const Way ways[];

/* Whether an attribute is tried in a way, with this run's protocol. */
int is_tried(const Attribute *attribute, const Way *way);
/* Tries it, and prints a line for each thing that is wrong; how many there were. */
int wrong(const Attribute *attribute, const Way *way);

/* Takes one step, of whatever process this is. */
void take_step(const Attribute *attribute, const Way *way, char which, int variant);

/* hosts.c: makes what all hosts have, or finds it if this is another host. */
void open_host(void);
/* Memory, zero at first. */
void *seen_by_all_hosts(size_t size);
/* Whether this process is another host, and its step: `m` to make a session, `a` to ask for those that were made. */
int step_of_host(char *which, int *variant);
/* Goes on as another host, for one step. */
void become_host(const Attribute *row, const Way *way, char which, int variant);

/* Says of SRP, which is a matter of contexts, what the client is called. */
void become_srp_guest(SSL_CTX *client);

#endif
