/*
 * A program whose processes share the memory of libcrypto, as kamailio's do: one of them frees a context and makes another
 * one at its address, and the others serve with it. They find the new rules, and no session of the old context.
 */
#include "common.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int sessions_are_bare(void)
{
    return 1;
}

/* Blocks of powers of two; what was freed last is had first. One process works at a time, so there is no lock. */
enum { CLASSES = 32, ROOM = 64 << 20 };

typedef struct {
    size_t class;
    size_t padding;
} Head;

static struct {
    void *freed[CLASSES];
    SSL_CTX *server;
    size_t used;
    unsigned char room[];
} *shared;

static void *allocate(size_t length, const char *file, int line)
{
    size_t class = 5;
    Head *head;
    (void)file, (void)line;
    while ((size_t)1 << class < length + sizeof *head)
        class++;
    if (shared->freed[class] != NULL) {
        void *block = shared->freed[class];
        shared->freed[class] = *(void **)block;
        return block;
    }
    head = (Head *)(shared->room + shared->used);
    shared->used += (size_t)1 << class;
    NEED(shared->used <= ROOM);
    head->class = class;
    return head + 1;
}

static void release(void *block, const char *file, int line)
{
    (void)file, (void)line;
    if (block != NULL) {
        size_t class = ((Head *)block - 1)->class;
        *(void **)block = shared->freed[class];
        shared->freed[class] = block;
    }
}

static void *reallocate(void *block, size_t length, const char *file, int line)
{
    void *other;
    size_t room;
    if (block == NULL)
        return allocate(length, file, line);
    room = ((size_t)1 << ((Head *)block - 1)->class) - sizeof(Head);
    if (length <= room)
        return block;
    other = allocate(length, file, line);
    memcpy(other, block, room);
    release(block, file, line);
    return other;
}

/* Another process makes the context anew. */
static void reload(int version, int verify)
{
    int status;
    fflush(stdout);
    if (fork() == 0) {
        SSL_CTX_free(shared->server);
        shared->server = server_context("server", version);
        SSL_CTX_set_options(shared->server, SSL_OP_NO_TICKET);
        SSL_CTX_set_verify(shared->server, verify, NULL);
        _exit(0);
    }
    NEED(wait(&status) > 0 && status == 0);
}

static SSL_SESSION *come(const char *what, SSL_CTX *client, SSL_SESSION *offered)
{
    Pair pair = pair_new(client, shared->server, offered);
    int done = handshake(&pair);
    SSL_SESSION *session = done ? SSL_get1_session(pair.client) : NULL;
    printf("%s: %s\n", what, !done ? "refused" : SSL_session_reused(pair.server) ? "resumed" : "accepted");
    close_cleanly(&pair);
    SSL_SESSION_free(offered);
    return session;
}

static void run(int version)
{
    SSL_CTX *client = client_context("client", version);
    SSL_SESSION *session;
    shared->server = server_context("server", version);
    SSL_CTX_set_options(shared->server, SSL_OP_NO_TICKET);
    session = come("a client", client, NULL);
    session = come("comes back", client, session);
    reload(version, SSL_VERIFY_NONE);
    session = come("after a reload", client, session);
    session = come("comes back", client, session);
    reload(version, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
    session = come("after one that asks for certificates", client, session);
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    SSL_CTX_free(shared->server);
}

int main(void)
{
    size_t length = offsetof(__typeof__(*shared), room) + ROOM;
    shared = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(shared != MAP_FAILED);
    NEED(CRYPTO_set_mem_functions(allocate, reallocate, release) == 1);
    heading("TLS 1.2");
    run(TLS1_2_VERSION);
    heading("TLS 1.3");
    run(TLS1_3_VERSION);
    return 0;
}
