/*
 * A program that is not linked with libssl and loads the modules it is given, each with RTLD_LOCAL.
 * LIBSSL.md section 3: "dlsym(RTLD_NEXT) returns NULL where libssl came in RTLD_LOCAL, as in
 * Python."
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef void Step(const char *name);

static void call(void *module, const char *function, int number)
{
    char name[32];
    Step *step;
    /* The cast that POSIX asks for: a function pointer out of an object pointer. */
    *(void **)&step = dlsym(module, function);
    if (step == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    snprintf(name, sizeof name, "module %d", number);
    step(name);
}

/* What a module answers that has such functions. Nothing here is between it and whom it jumps to. */
static void ask(void *module, int number)
{
    long (*matches)(void), (*timeout)(void);
    *(void **)&matches = dlsym(module, "module_matches");
    *(void **)&timeout = dlsym(module, "module_timeout");
    if (matches == NULL || timeout == NULL)
        return;
    printf("module %d: matches %ld", number, matches());
    printf(", timeout before %ld\n", timeout());
    call(module, "module_free", number);
}

int main(int argc, char **argv)
{
    static const char *const steps[] = { "module_open", "module_use", "module_use" };
    void *modules[4];
    size_t step;
    int i;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (i = 1; i < argc && i <= 4; i++) {
        modules[i - 1] = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        if (modules[i - 1] == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
    }
    for (step = 0; step < sizeof steps / sizeof steps[0]; step++)
        for (i = 1; i < argc && i <= 4; i++)
            call(modules[i - 1], steps[step], i);
    for (i = 1; i < argc && i <= 4; i++)
        ask(modules[i - 1], i);
    for (i = 1; i < argc && i <= 4; i++)
        call(modules[i - 1], "module_close", i);
    return 0;
}
