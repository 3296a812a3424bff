/*
 * Preloaded before sslcache: the calls that sslcache makes to the C library fail, those of the program and of libssl do not.
 *
 *     FAULTS_LIST=FILE             at the end, one line for each place in sslcache that made calls: OFFSET NAME CALLS
 *     FAULTS_AT=OFFSET             the calls from that place fail; FAULTS_FROM=N: from the Nth on; FAULTS_ONCE=1: that one alone
 *     FAULTS_AT=memory             the same for allocations, of all places together
 *
 * A place is known by its return address, as an offset into the library: the same in each run.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

enum { PLACES = 1024, PIECES = 1 << 20 };

static struct place {
    const char *name;
    uintptr_t offset;
    unsigned long calls;
} places[PLACES];

static char *list;
static int memory_fails, once, active;
static uintptr_t fails_at;
static unsigned long fails_from = 1, allocations;
static long live;
static uintptr_t begin, end;
static int lock_word;

static int note_library(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    if (strstr(info->dlpi_name, "libsslcache.so") == NULL)
        return 0;
    begin = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t top = begin + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && top > end)
            end = top;
    }
    return 1;
}

/* The environment as the process got it: getenv is one of the calls that fail. */
static char *setting(const char *name)
{
    size_t length = strlen(name);
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            return *at + length + 1;
    }
    return NULL;
}

static void begin_once(void)
{
    if (active || environ == NULL)
        return;
    active = 1;
    dl_iterate_phdr(note_library, NULL);
    char *at = setting("FAULTS_AT"), *from = setting("FAULTS_FROM");
    list = setting("FAULTS_LIST");
    once = setting("FAULTS_ONCE") != NULL;
    memory_fails = at != NULL && strcmp(at, "memory") == 0;
    fails_at = at == NULL || memory_fails ? 0 : strtoul(at, NULL, 16);
    fails_from = from == NULL ? 1 : strtoul(from, NULL, 10);
}

static int is_ours(void *caller)
{
    begin_once();
    return (uintptr_t)caller >= begin && (uintptr_t)caller < end;
}

static int is_due(unsigned long call)
{
    return once ? call == fails_from : call >= fails_from;
}

static void lock(void)
{
    while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE)) {}
}

static void unlock(void)
{
    __atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
}

/* Counts a call, and tells whether it fails. */
static int fails(const char *name, void *caller)
{
    if (!is_ours(caller))
        return 0;
    uintptr_t offset = (uintptr_t)caller - begin;
    lock();
    struct place *place = places;
    while (place < places + PLACES - 1 && place->name != NULL && place->offset != offset)
        place++;
    place->name = name;
    place->offset = offset;
    unsigned long call = ++place->calls;
    unlock();
    return offset == fails_at && is_due(call);
}

static int memory_is_refused(void *caller)
{
    if (!is_ours(caller))
        return 0;
    unsigned long call = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return memory_fails && is_due(call);
}

/* Pieces of memory that sslcache has, in this process. */
long faults_live(void)
{
    return __atomic_load_n(&live, __ATOMIC_RELAXED);
}

/* Those pieces, by address; libcrypto frees its own by a jump, which looks like a call from here. */
static void *pieces[PIECES];

static void **place_of(void *piece)
{
    size_t at = (uintptr_t)piece / 16 % PIECES;
    while (pieces[at] != NULL && pieces[at] != piece)
        at = (at + 1) % PIECES;
    return &pieces[at];
}

static void *counted(void *piece, void *caller)
{
    if (piece == NULL || !is_ours(caller))
        return piece;
    lock();
    void **place = place_of(piece);
    live += *place == NULL;
    *place = piece;
    unlock();
    return piece;
}

static int uncounted(void *piece)
{
    if (piece == NULL || live == 0)
        return 0;
    lock();
    void **place = place_of(piece);
    int found = *place != NULL;
    if (found) {
        *place = NULL;
        live--;
        /* What stands behind may have its place before. */
        for (size_t at = (place - pieces + 1) % PIECES; pieces[at] != NULL; at = (at + 1) % PIECES) {
            void *moved = pieces[at];
            pieces[at] = NULL;
            *place_of(moved) = moved;
        }
    }
    unlock();
    return found;
}

#define CALLER __builtin_return_address(0)

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size)
{
    if (memory_is_refused(CALLER)) {
        errno = ENOMEM;
        return NULL;
    }
    return counted(__libc_malloc(size), CALLER);
}

void *calloc(size_t number, size_t size)
{
    if (memory_is_refused(CALLER)) {
        errno = ENOMEM;
        return NULL;
    }
    return counted(__libc_calloc(number, size), CALLER);
}

void *realloc(void *piece, size_t size)
{
    if (memory_is_refused(CALLER)) {
        errno = ENOMEM;
        return NULL;
    }
    int was_counted = uncounted(piece);
    void *moved = __libc_realloc(piece, size);
    return counted(moved, was_counted ? (void *)begin : CALLER);
}

int posix_memalign(void **piece, size_t alignment, size_t size)
{
    if (memory_is_refused(CALLER))
        return ENOMEM;
    *piece = counted(__libc_memalign(alignment, size), CALLER);
    return *piece == NULL ? ENOMEM : 0;
}

void free(void *piece)
{
    uncounted(piece);
    __libc_free(piece);
}

/* As the linker sees them: the headers declare some with fewer parameters, or with attributes that do not matter here. */
#define CALL(result, name, parameters, arguments, failure, error)                                  \
    result fault_##name parameters __asm__(#name);                                                 \
    result fault_##name parameters                                                                 \
    {                                                                                              \
        static result(*real) parameters;                                                           \
        if (fails(#name, CALLER)) {                                                                \
            errno = error;                                                                         \
            return (result)failure;                                                                \
        }                                                                                          \
        if (real == NULL)                                                                          \
            real = dlsym(RTLD_NEXT, #name);                                                        \
        return real arguments;                                                                     \
    }

#define PAIR(name, parameters, arguments, failure, error)                                          \
    CALL(int, name, parameters, arguments, failure, error)                                         \
    CALL(int, name##64, parameters, arguments, failure, error)

PAIR(open, (const char *p, long f, long m), (p, f, m), -1, EMFILE)
CALL(int, openat, (int d, const char *p, long f, long m), (d, p, f, m), -1, EMFILE)
PAIR(fstat, (int d, void *s), (d, s), -1, EIO)
PAIR(stat, (const char *p, void *s), (p, s), -1, EIO)
CALL(int, lstat64, (const char *p, void *s), (p, s), -1, EIO)
CALL(int, statx, (int d, const char *p, int f, unsigned m, void *s), (d, p, f, m, s), -1, ENOSYS)
CALL(int, fstatfs, (int d, void *s), (d, s), -1, EIO)
PAIR(ftruncate, (int d, long n), (d, n), -1, ENOSPC)
CALL(int, posix_fallocate, (int d, long o, long n), (d, o, n), ENOSPC, errno)
CALL(int, fcntl, (int d, int c, void *a), (d, c, a), -1, EINVAL)
CALL(int, flock, (int d, int o), (d, o), -1, EWOULDBLOCK)
CALL(int, mkdir, (const char *p, unsigned m), (p, m), -1, EROFS)
CALL(int, unlinkat, (int d, const char *p, int f), (d, p, f), -1, EROFS)
CALL(int, memfd_create, (const char *p, unsigned f), (p, f), -1, ENOSYS)
CALL(void *, mmap, (void *a, size_t n, int p, int f, int d, long o), (a, n, p, f, d, o), -1, ENOMEM)
CALL(void *, mmap64, (void *a, size_t n, int p, int f, int d, long o), (a, n, p, f, d, o), -1, ENOMEM)
CALL(int, madvise, (void *a, size_t n, int w), (a, n, w), -1, EINVAL)
CALL(long, read, (int d, void *b, size_t n), (d, b, n), -1, EIO)
CALL(long, pread64, (int d, void *b, size_t n, long o), (d, b, n, o), -1, EIO)
CALL(long, write, (int d, const void *b, size_t n), (d, b, n), -1, ENOSPC)
CALL(long, writev, (int d, const void *v, int n), (d, v, n), -1, ENOSPC)
CALL(long, lseek64, (int d, long o, int w), (d, o, w), -1, ESPIPE)
CALL(long, readlink, (const char *p, char *b, size_t n), (p, b, n), -1, ENOENT)
CALL(char *, realpath, (const char *p, char *b), (p, b), 0, ENOENT)
CALL(char *, getcwd, (char *b, size_t n), (b, n), 0, ENOENT)
CALL(void *, opendir, (const char *p), (p), 0, EMFILE)
CALL(void *, readdir64, (void *d), (d), 0, EIO)
CALL(int, getrlimit, (int w, void *l), (w, l), -1, EINVAL)
CALL(int, sched_getaffinity, (int p, size_t n, void *s), (p, n, s), -1, EINVAL)
CALL(long, getrandom, (void *b, size_t n, unsigned f), (b, n, f), -1, EAGAIN)
CALL(long, syscall, (long n, long a, long b, long c, long d, long e, long f), (n, a, b, c, d, e, f), -1, ENOSYS)
CALL(int, socket, (int d, int t, int p), (d, t, p), -1, EMFILE)
CALL(int, connect, (int d, const void *a, unsigned n), (d, a, n), -1, ECONNREFUSED)
CALL(long, sendmsg, (int d, const void *m, int f), (d, m, f), -1, EPIPE)
CALL(int, getsockopt, (int d, int l, int o, void *v, void *n), (d, l, o, v, n), -1, ENOTSOCK)
CALL(int, getsockname, (int d, void *a, void *n), (d, a, n), -1, ENOTSOCK)
CALL(int, getpeername, (int d, void *a, void *n), (d, a, n), -1, ENOTCONN)
CALL(int, poll, (void *p, unsigned long n, int t), (p, n, t), -1, EINTR)
CALL(int, kill, (int p, int s), (p, s), -1, EPERM)
CALL(int, pthread_key_create, (void *k, void *d), (k, d), EAGAIN, errno)
CALL(int, pthread_setspecific, (unsigned k, const void *v), (k, v), ENOMEM, errno)
CALL(int, __register_atfork, (void *a, void *b, void *c, void *d), (a, b, c, d), ENOMEM, errno)
CALL(int, clock_nanosleep, (int c, int f, const void *t, void *r), (c, f, t, r), EINTR, errno)
CALL(int, clock_gettime, (int c, void *t), (c, t), -1, EINVAL)
CALL(char *, getenv, (const char *n), (n), 0, errno)

static void say(int file, const char *text)
{
    static long (*out)(int, const void *, size_t);
    if (out == NULL)
        out = dlsym(RTLD_NEXT, "write");
    out(file, text, strlen(text));
}

static char *digits(char *at, unsigned long number, unsigned base)
{
    *--at = 0;
    do
        *--at = "0123456789abcdef"[number % base];
    while ((number /= base) != 0);
    return at;
}

__attribute__((destructor)) static void write_list(void)
{
    static int (*make)(const char *, int, int);
    char number[24];
    if (list == NULL || (make = dlsym(RTLD_NEXT, "open")) == NULL)
        return;
    int file = make(list, 02 | 0100 | 02000 /* O_RDWR | O_CREAT | O_APPEND */, 0600);
    for (struct place *place = places; place->name != NULL; place++) {
        say(file, digits(number + sizeof number, place->offset, 16));
        say(file, " ");
        say(file, place->name);
        say(file, " ");
        say(file, digits(number + sizeof number, place->calls, 10));
        say(file, "\n");
    }
    say(file, "memory allocations ");
    say(file, digits(number + sizeof number, allocations, 10));
    say(file, "\n");
}
