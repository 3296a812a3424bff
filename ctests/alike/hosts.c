/*
 * Another host, as far as a process can be one: it is executed anew, so that nothing is where it is in the others, and has
 * nothing of theirs but the settings and what an administrator gives to all: the certificates. The file of a region stands
 * for what carries sessions and ticket keys from host to host.
 */
#include "ways.h"

#include <sys/mman.h>
#include <unistd.h>

static const char step_variable[] = "ALIKE_STEP", files_variable[] = "ALIKE_FILES";

/* Files that processes inherit: the certificates, and what comes of it. */
static int certificates = -1, outcome = -1;

static int file_in_memory(void)
{
    int file = memfd_create("alike", 0);
    NEED(file >= 0);
    return file;
}

void open_host(void)
{
    const char *files = getenv(files_variable);
    long long since;
    char text[64];
    FILE *stream;
    if (files != NULL) {
        NEED(sscanf(files, "%d,%d,%lld", &certificates, &outcome, &since) == 3);
        began = (time_t)since;
        stream = fdopen(dup(certificates), "r");
        NEED(stream != NULL);
        rewind(stream);
        read_identities(stream);
        fclose(stream);
        return;
    }
    make_certificate();
    make_identities();
    certificates = file_in_memory();
    outcome = file_in_memory();
    stream = fdopen(dup(certificates), "w");
    NEED(stream != NULL);
    write_identities(stream);
    fclose(stream);
    snprintf(text, sizeof text, "%d,%d,%lld", certificates, outcome, (long long)began);
    NEED(setenv(files_variable, text, 1) == 0);
}

void *seen_by_all_hosts(size_t size)
{
    void *memory;
    NEED(ftruncate(outcome, (off_t)size) == 0);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, outcome, 0);
    NEED(memory != MAP_FAILED);
    return memory;
}

int step_of_host(char *which, int *variant)
{
    const char *step = getenv(step_variable);
    return step != NULL && sscanf(step, "%c%d", which, variant) == 2;
}

void become_host(const Attribute *row, const Way *way, char which, int variant)
{
    char step[16], *arguments[] = { (char *)"alike", (char *)way->name, (char *)(version == TLS1_2_VERSION ? "1.2" : "1.3"),
                                    (char *)row->name, NULL };
    snprintf(step, sizeof step, "%c%d", which, variant);
    NEED(setenv(step_variable, step, 1) == 0);
    execv("/proc/self/exe", arguments);
    NEED(!"another host");
}
