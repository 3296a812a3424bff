/*
 * A program that loads libssl, then the modules it is given with RTLD_DEEPBIND: they are bound to
 * their own libraries before all that is preloaded. dlopen(3), RTLD_DEEPBIND.
 */
#include <dlfcn.h>
#include <stdio.h>

typedef void Step(const char *name);

int main(int argc, char **argv)
{
    static const char *const steps[] = { "module_open", "module_use", "module_use", "module_close" };
    void *libssl = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
    void *module = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND) : NULL;
    size_t i;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (libssl == NULL || module == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        Step *step;
        *(void **)&step = dlsym(module, steps[i]);
        if (step == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        step("the module");
    }
    return 0;
}
