/*
 * A configuration with a mistake that is to be reported (config_diagnostics of config(5)): the first SSL_CTX_new of the process
 * fails, with libcrypto's errors in the queue, and a later one does not.
 */
#include "common.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void make_one(void)
{
    unsigned long error;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    TRACE_POINTER(ctx);
    while ((error = ERR_get_error()) != 0)
        printf("error: %s\n", ERR_reason_error_string(error));
    SSL_CTX_free(ctx);
}

int main(void)
{
    const char *text = "config_diagnostics = 1\nopenssl_conf = missing\n";
    char path[32];
    int file = memfd_create("openssl.cnf", 0);
    NEED(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    NEED(setenv("OPENSSL_CONF", path, 1) == 0);
    make_one();
    make_one();
    return 0;
}
