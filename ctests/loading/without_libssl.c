/*
 * A program without libssl: it must not notice that it is preloaded. One thread, no file but the
 * three it came with, no libssl, no environment variable changed, no child, no signal handler.
 * LIBSSL.md section 3: "A process without libssl must see nothing".
 */
#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int entries(const char *folder)
{
    int count = 0;
    struct dirent *entry;
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return -1;
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static int mapped(const char *name)
{
    char line[4096];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL)
        return -1;
    while (fgets(line, sizeof line, maps) != NULL)
        count += strstr(line, name) != NULL;
    fclose(maps);
    return count;
}

int main(void)
{
    int number, handled = 0;
    printf("threads: %d\n", entries("/proc/self/task"));
    /* One more than the three: the folder itself. */
    printf("open files: %d\n", entries("/proc/self/fd") - 1);
    printf("libssl mapped: %d\n", mapped("libssl.so"));
    printf("libcrypto mapped: %d\n", mapped("libcrypto.so"));
    printf("shared memory mapped: %d\n", mapped("/dev/shm") + mapped("memfd:") + mapped("/dev/zero"));
    for (number = 1; number < 32; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            handled++;
    }
    printf("signals handled: %d\n", handled);
    return 0;
}
