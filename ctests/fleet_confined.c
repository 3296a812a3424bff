/*
 * Once a context is made, the fleet's keys need nothing of the process: no descriptor, no environment, no file system, no
 * system call that opens something. A worker without all of that opens the tickets of another host. sslcache(7), "A fleet".
 *
 * needs: seccomp, which no emulator has
 * settings: SSLCACHE_REGION=none
 */
#include "agent.h"
#include "workers.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int number = 0;
    NEED(folder != NULL);
    while (readdir(folder) != NULL)
        number++;
    closedir(folder);
    return number;
}

/* From now on the process opens no file, and a call that would make a socket or a mailbox ends it. */
static void confine(void)
{
#define NOT(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        NOT(socket),
        NOT(connect),
        NOT(memfd_create),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof steps / sizeof *steps, steps };
    if (geteuid() == 0)
        NEED(chroot("/proc/self") == 0 && chdir("/") == 0);
    clearenv();
    NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static Worker confined_worker(void)
{
    Worker worker = { 0, -1, -1 };
    int orders[2], answers[2];
    NEED(pipe(orders) == 0 && pipe(answers) == 0);
    fflush(stdout);
    worker.process = fork();
    NEED(worker.process >= 0);
    if (worker.process == 0) {
        Order order;
        alarm(60);
        confine();
        while (read(orders[0], &order, sizeof order) == (ssize_t)sizeof order && order.what != END) {
            Answer answer = obey(&order);
            whole(write(answers[1], &answer, sizeof answer), sizeof answer);
        }
        _exit(0);
    }
    close(orders[0]);
    close(answers[1]);
    worker.orders = orders[1];
    worker.answers = answers[0];
    return worker;
}

int main(void)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    unsigned char *here = NULL;
    Agent agent;
    int i;
    make_certificate();
    NEED(setenv("SSLCACHE_TICKET_KEYS", "fleet", 1) == 0);
    agent = agent_start();
    for (i = 0; i < 2; i++) {
        FleetKey key = { (uint64_t)time(NULL) / EPOCH, time(NULL) + EPOCH, "fleet key name..", "32 bytes that nobody knows, but.", 1 };
        FleetKey keys[2] = { key, key };
        unsigned char *there;
        Worker elsewhere, confined;
        Ticket ticket;
        int before;
        keys[1].epoch++; /* the hour may end meanwhile */
        keys[1].name[0] = 'F';
        elsewhere = worker_start();
        worker_do(&elsewhere, OPEN_TICKET_SHOP, versions[i], NULL);
        there = agent_receive(&agent);
        before = descriptors();
        open_ticket_shop(versions[i]);
        printf("descriptors that the context has cost: %d\n", descriptors() - before);
        if (here == NULL) /* a process sends one mailbox, with its first context */
            here = agent_receive(&agent);
        confined = confined_worker();
        if (there != NULL)
            agent_publish(there, keys, 2);
        if (here != NULL)
            agent_publish(here, keys, 2);
        ticket = ticket_from(&elsewhere);
        divergence("fleet_keys", "%ld", resumed_at(&confined, &ticket));
        printf("its own: %ld\n", (ticket = ticket_from(&confined), resumed_at(&confined, &ticket)));
        worker_end(&elsewhere);
        worker_end(&confined);
        SSL_CTX_free(server);
        SSL_CTX_free(client);
        server = client = NULL;
    }
    agent_end(&agent);
    return 0;
}
