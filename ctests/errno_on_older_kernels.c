/*
 * A kernel before 5.6 knows getrandom without GRND_INSECURE: it answers EINVAL, and who asked asks again otherwise. The first
 * add of a process, which draws random numbers, leaves errno alone there, too.
 * DESIGN.md, "errno and OpenSSL's error queue belong to the program".
 *
 * needs: seccomp, which no emulator has
 */
#include "common.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define INSECURE 4 /* GRND_INSECURE, which older headers lack */

static void become_older(void)
{
    struct sock_filter steps[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 3),
        LOAD(args[2]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, INSECURE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof steps / sizeof *steps, steps };
    char byte;
    NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    NEED(syscall(SYS_getrandom, &byte, (size_t)1, INSECURE) == -1 && errno == EINVAL);
    NEED(syscall(SYS_getrandom, &byte, (size_t)1, 0) == 1);
}

int main(void)
{
    SSL_CTX *ctx;
    SSL_SESSION *session;
    become_older();
    ctx = server_context("ctx", TLS1_2_VERSION);
    session = make_session(NULL, TLS1_2_VERSION, "a");
    errno = 77;
    NEED(SSL_CTX_add_session(ctx, session) == 1);
    printf("after the first add: errno %d\n", errno);
    NEED(SSL_CTX_remove_session(ctx, session) == 1);
    printf("after a removal: errno %d\n", errno);
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
    TRACE(live_sessions());
    return 0;
}
