/* Picks the measurement, and says which libraries it was made on. */
#include "bench.h"
#include "stats.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*run)(void);
} measurements[] = {
    {"add", measure_add},         {"growth", measure_growth},         {"again", measure_again},
    {"churn", measure_churn},     {"lookups", measure_lookups},       {"flush", measure_flush},
    {"memory", measure_memory},   {"handshakes", measure_handshakes},
    {"workers", measure_workers},     {"machine", measure_machine},
};

static char **arguments;

long option(const char *name, long otherwise)
{
    size_t length = strlen(name);
    for (char **argument = arguments; *argument != NULL; argument++)
        if (strncmp(*argument, name, length) == 0 && (*argument)[length] == '=')
            return atol(*argument + length + 1);
    return otherwise;
}

void give_up(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    exit(1);
}

void report_number(const char *name, double value)
{
    printf(", \"%s\": %.10g", name, value);
}

void report_text(const char *name, const char *value)
{
    printf(", \"%s\": \"%s\"", name, value);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s MEASUREMENT [name=number...]\n", argv[0]);
        return 2;
    }
    arguments = argv + 2;
    for (size_t i = 0; i < sizeof measurements / sizeof *measurements; i++) {
        if (strcmp(measurements[i].name, argv[1]) != 0)
            continue;
        printf("{\"measurement\": \"%s\"", argv[1]);
        report_text("openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
        report_text("sslcache", sslcache_version_here());
        measurements[i].run();
        printf("}\n");
        fflush(stdout);
        /* Freeing a million sessions takes a while and tells nothing. */
        _exit(0);
    }
    fprintf(stderr, "%s: no such measurement: %s\n", argv[0], argv[1]);
    return 2;
}
