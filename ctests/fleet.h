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

/* How often the agent was asked for a session. */
static inline long agent_asked(void)
{
    const char *agent = getenv("SSLCACHE_AGENT");
    char asked[256];
    long number = 0;
    FILE *file;
    if (agent == NULL)
        return 0;
    snprintf(asked, sizeof asked, "%s-asked", agent);
    file = fopen(asked, "r");
    if (file == NULL)
        return 0;
    NEED(fscanf(file, "%ld", &number) == 1);
    fclose(file);
    return number;
}

#endif
