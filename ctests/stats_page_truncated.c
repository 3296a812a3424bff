/* The file that a process shows its figures in is truncated while it runs, as a clean-up job may do: it goes on, and so
 * does what is forked from it. A process that touched the file's pages would be ended by SIGBUS. */
#include "common.h"
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/ctests-page-XXXXXX", place[300];

int sessions_are_bare(void)
{
    return 1;
}

static void truncate_pages(void)
{
    char path[600];
    struct dirent *entry;
    DIR *pages = opendir(place);

    while (pages && (entry = readdir(pages))) {
        snprintf(path, sizeof path, "%s/%s", place, entry->d_name);
        if (strstr(entry->d_name, ".page"))
            NEED(truncate(path, 0) == 0);
    }
    if (pages)
        closedir(pages);
}

static void remove_pages(void)
{
    char path[600];
    struct dirent *entry;
    DIR *pages = opendir(place);

    while (pages && (entry = readdir(pages))) {
        snprintf(path, sizeof path, "%s/%s", place, entry->d_name);
        unlink(path);
    }
    if (pages)
        closedir(pages);
    rmdir(place);
    rmdir(folder);
}

static void serve(void)
{
    SSL_CTX *server = server_context("server", TLS1_2_VERSION), *client = client_context("client", TLS1_2_VERSION);
    int status, reused;
    SSL_SESSION *session;
    pid_t child;

    session = visit_quietly(client, server, NULL, NULL);
    truncate_pages();
    SSL_SESSION_free(visit_quietly(client, server, session, &reused));
    TRACE(reused);
    child = fork();
    if (child == 0) {
        SSL_SESSION_free(visit_quietly(client, server, session, &reused));
        TRACE(reused);
        exit(7);
    }
    NEED(waitpid(child, &status, 0) == child);
    TRACE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

int main(void)
{
    int status;
    pid_t child;

    NEED(mkdtemp(folder));
    snprintf(place, sizeof place, "%s/sslcache", folder);
    setenv("XDG_RUNTIME_DIR", folder, 1);
    make_certificate();
    fflush(stdout);
    child = fork();
    if (child == 0) {
        serve();
        exit(0);
    }
    NEED(waitpid(child, &status, 0) == child);
    /* Also the end of a process turns to the file. */
    TRACE(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    remove_pages();
    return 0;
}
