/*
 * alike list               the attributes, a line each
 * alike ways               the ways, a line each
 * alike WAY 1.2 [NAME]     what is wrong in a way, of all attributes or of those whose names begin so: a line each
 */
#include "ways.h"

#include <limits.h>
#include <unistd.h>

static const Attribute *const tables[] = { own_attributes,    asked_attributes, checked_attributes,
                                           secret_attributes, named_attributes, connection_attributes };

int sessions_are_bare(void)
{
    return 1;
}

/* Starts the program again with the settings of a way in its environment, where the library has looked for them. */
static void with_settings(const Way *way, char **arguments)
{
    static const char region[] = "SSLCACHE_REGION=";
    char folder[PATH_MAX], setting[PATH_MAX + 64];
    int which;
    if (getenv("ALIKE_STARTED") != NULL)
        return;
    NEED(putenv((char *)"ALIKE_STARTED=1") == 0);
    for (which = 0; which < 4 && way->settings[which] != NULL; which++) {
        const char *place = getenv("TMPDIR");
        if (strcmp(way->settings[which], region) != 0) {
            NEED(putenv((char *)way->settings[which]) == 0);
            continue;
        }
        snprintf(folder, sizeof folder, "%s/alike-XXXXXX", place == NULL ? "/tmp" : place);
        NEED(mkdtemp(folder) != NULL);
        snprintf(setting, sizeof setting, "%s%s/region", region, folder);
        NEED(putenv(setting) == 0);
    }
    execv("/proc/self/exe", arguments);
    NEED(!"started again");
}

static void remove_region(void)
{
    char *region = getenv("SSLCACHE_REGION");
    if (region == NULL)
        return;
    unlink(region);
    *strrchr(region, '/') = '\0';
    rmdir(region);
}

static const Way *way_of(const char *name)
{
    const Way *way = ways;
    while (way->name != NULL && strcmp(way->name, name) != 0)
        way++;
    NEED(way->name != NULL);
    return way;
}

static void list(void)
{
    const Attribute *row;
    size_t table;
    for (table = 0; table < sizeof tables / sizeof tables[0]; table++)
        for (row = tables[table]; row->name != NULL; row++)
            puts(row->name);
}

int main(int number, char **arguments)
{
    const Attribute *row;
    const Way *way;
    size_t table;
    int tried = 0, count = 0, variant, is_host;
    char step;
    if (number == 2 && strcmp(arguments[1], "list") == 0) {
        list();
        return 0;
    }
    if (number == 2 && strcmp(arguments[1], "ways") == 0) {
        for (way = ways; way->name != NULL; way++)
            puts(way->name);
        return 0;
    }
    NEED(number >= 3);
    way = way_of(arguments[1]);
    with_settings(way, arguments);
    version = strcmp(arguments[2], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    began = time(NULL);
    open_host();
    is_host = step_of_host(&step, &variant);
    for (table = 0; table < sizeof tables / sizeof tables[0]; table++)
        for (row = tables[table]; row->name != NULL; row++)
            if (is_tried(row, way) && (number == 3 || strncmp(row->name, arguments[3], strlen(arguments[3])) == 0)) {
                if (is_host && strcmp(row->name, arguments[3]) == 0) {
                    take_step(row, way, step, variant);
                    return 0;
                }
                tried++;
                count += is_host ? 0 : wrong(row, way);
            }
    NEED(!is_host);
    printf("%d tried, %d wrong\n", tried, count);
    remove_region();
    return 0;
}
