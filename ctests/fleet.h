/* The agent that the tests start for a program whose processes stand for hosts: see tests/ctests/agent.rs. */
#ifndef CTESTS_FLEET_H
#define CTESTS_FLEET_H

#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* With its first context a process sends its mailbox to the agent, which leaves a file when it has it. */
static inline void met_by_agent(void)
{
    const char *agent = getenv("SSLCACHE_AGENT");
    char met[256];
    int tries;
    if (agent == NULL)
        return;
    snprintf(met, sizeof met, "%s-met-%ld", agent, (long)getpid());
    for (tries = 0; tries < 5000 && access(met, F_OK) != 0; tries++)
        usleep(1000);
    NEED(access(met, F_OK) == 0);
}

/* How often the agent was asked for a session ("asked"), or told of one ("put"). */
static inline long agent_was(const char *what)
{
    const char *agent = getenv("SSLCACHE_AGENT");
    char counted[256];
    long number = 0;
    FILE *file;
    if (agent == NULL)
        return 0;
    snprintf(counted, sizeof counted, "%s-%s", agent, what);
    file = fopen(counted, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld", &number) != 1)
        number = 0; /* it is being written */
    fclose(file);
    return number;
}

/* Waits until the agent was told of more sessions than `before`; for a moment, if it is not to be told of any. */
static inline void agent_is_told(long before, int is_to_be)
{
    int tries = getenv("SSLCACHE_AGENT") == NULL ? 0 : is_to_be ? 5000 : 200;
    for (; tries > 0 && agent_was("put") <= before; tries--)
        usleep(1000);
}

#endif
