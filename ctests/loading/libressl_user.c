/*
 * A program with LibreSSL calls every function that sslcache exports, too, each with arguments of its own: they arrive
 * unchanged, nothing else arrives, and the answers come back. COMPATIBILITY.md, "Libraries".
 */
#include "libressl.h"

#include <stdio.h>

#define FUNCTION(answers, what, count, name) long name(long a, long b, long c, long d);
FUNCTIONS
#undef FUNCTION

static const char bytes[] = "bytes";
static long number = 1000;

static void print_answer(long answer, int answers)
{
    if (answers)
        printf("= %d\n", (int)answer);
}

int main(void)
{
    const int answers = 1, silent = 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    /* The arguments are in registers, as those of the real prototypes are. */
#define NUMBERS ++number, 2000 + number, 3000 + number, 4000 + number
#define BYTES ++number, (long)bytes, 5, 0
#define PATHS ++number, (long)bytes, (long)bytes, 0
#define CALL(name, ...) name(__VA_ARGS__)
#define FUNCTION(answers, what, count, name) print_answer(CALL(name, what), answers);
    FUNCTIONS
    return 0;
}
