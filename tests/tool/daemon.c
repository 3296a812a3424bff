/*
 * A program that becomes a daemon, whose child runs only when its parent has ended; it says its id, and waits.
 */
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pid_t parent;

/* Before the handlers of libraries that register theirs later. */
static void wait_for_the_end_of_the_parent(void)
{
    for (int i = 0; i < 500 && getppid() == parent; i++)
        usleep(10000);
}

int main(void)
{
    SSL_CTX *ctx;

    parent = getpid();
    if (pthread_atfork(NULL, NULL, wait_for_the_end_of_the_parent) != 0)
        return 1;
    ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || fork() != 0)
        return 0;
    printf("%d\n", (int)getpid());
    fclose(stdout);
    fclose(stderr);
    alarm(10);
    pause();
    SSL_CTX_free(ctx);
    return 0;
}
