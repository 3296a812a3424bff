/*
 * The agent's side of the mailbox: its socket, and the ticket keys that it publishes. Written by the layout alone (see
 * src/mailbox), so that a change to that does not go unnoticed.
 */
#ifndef CTESTS_AGENT_H
#define CTESTS_AGENT_H

#include "common.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAILBOX_BYTES (4096 + 2 * 8192 + 2 * 4096 + 64 * 16384 + 1024 * 128 + 4096 * 96)
#define EPOCH 3600

typedef struct {
    uint64_t epoch;
    int64_t until;
    unsigned char name[16], secret[32];
    uint64_t makes;
} FleetKey;

typedef struct {
    char folder[32], path[64];
    int socket;
} Agent;

/* Listens, and has the contexts that are made from now on find the socket. */
static inline Agent agent_start(void)
{
    Agent agent = { "/tmp/ctests-agent-XXXXXX", "", -1 };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    NEED(mkdtemp(agent.folder) != NULL);
    snprintf(agent.path, sizeof agent.path, "%s/socket", agent.folder);
    strcpy(address.sun_path, agent.path);
    agent.socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    NEED(bind(agent.socket, (struct sockaddr *)&address, sizeof address) == 0 && listen(agent.socket, 16) == 0);
    NEED(setenv("SSLCACHE_AGENT", agent.path, 1) == 0);
    return agent;
}

static inline void agent_end(const Agent *agent)
{
    close(agent->socket);
    NEED(unlink(agent->path) == 0 && rmdir(agent->folder) == 0);
}

/* The next mailbox that was sent, or NULL: on the plain host there is none. */
static inline unsigned char *agent_receive(const Agent *agent)
{
    char greeting[64];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = { greeting, sizeof greeting };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    struct cmsghdr *header;
    struct stat about;
    unsigned char *mailbox;
    int file, connection = accept(agent->socket, NULL, NULL);
    if (connection < 0)
        return NULL;
    NEED(recvmsg(connection, &message, 0) == 18 && memcmp(greeting, "sslcache mailbox 1", 18) == 0);
    header = CMSG_FIRSTHDR(&message);
    NEED(header != NULL && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof file));
    memcpy(&file, CMSG_DATA(header), sizeof file);
    NEED(recv(connection, greeting, sizeof greeting, 0) == 0); /* the other end is closed */
    NEED(fstat(file, &about) == 0 && about.st_size == MAILBOX_BYTES);
    NEED((fcntl(file, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW)) == (F_SEAL_SHRINK | F_SEAL_GROW));
    mailbox = mmap(NULL, MAILBOX_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    NEED(mailbox != MAP_FAILED);
    close(file);
    close(connection);
    return mailbox;
}

static inline void agent_publish(unsigned char *mailbox, const FleetKey *keys, uint64_t number)
{
    uint64_t *published = (uint64_t *)(mailbox + 40), next = *published + 1, sum = 0xcbf29ce484222325;
    unsigned char *copy = mailbox + 4096 + (next & 1) * 8192;
    size_t at;
    memset(copy, 0, 8192);
    memcpy(copy, &number, 8);
    memcpy(copy + 8, keys, number * sizeof *keys);
    for (at = 0; at < 8184; at++)
        sum = (sum ^ copy[at]) * 0x100000001b3;
    memcpy(copy + 8184, &sum, 8);
    __atomic_store_n(published, next, __ATOMIC_RELEASE);
}

#endif
