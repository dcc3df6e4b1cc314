/* Loaded before the C library (LD_PRELOAD): writes down which names in a folder are made and which syncs succeed, and makes
 * some syncs fail. SYNCS_ROOT is the folder, SYNCS_LOG where it is written; the syncs that fail are the SYNCS_FAIL-th and
 * those after it, SYNCS_FAILURES of them. A line: N name; M from<TAB>to; S file or folder that is synced; F that is not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long count;

static int is_inside(const char *path) {
    const char *root = getenv("SYNCS_ROOT");
    return root != NULL && strncmp(path, root, strlen(root)) == 0;
}

static void note(char what, const char *path, const char *to) {
    char line[2 * PATH_MAX + 8];
    int length = snprintf(line, sizeof line, "%c %s%s%s\n", what, path, to ? "\t" : "", to ? to : "");
    int log = open(getenv("SYNCS_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log < 0 || write(log, line, length) != length)
        abort();
    close(log);
}

int fsync(int fd) {
    static int (*next)(int);
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "fsync");
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return next(fd);
    path[length] = 0;
    if (!is_inside(path))
        return next(fd);
    long number = atomic_fetch_add(&count, 1) + 1;
    long first = atol(getenv("SYNCS_FAIL")), failures = atol(getenv("SYNCS_FAILURES"));
    if (number >= first && number < first + failures) {
        note('F', path, NULL);
        errno = EIO;
        return -1;
    }
    int done = next(fd);
    if (done == 0)
        note('S', path, NULL);
    return done;
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    static int (*next)(int, const char *, int, const char *, int);
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "linkat");
    int done = next(from_folder, from, to_folder, to, flags);
    if (done == 0 && is_inside(to))
        note('N', to, NULL);
    return done;
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int rename(const char *from, const char *to) {
    static int (*next)(const char *, const char *);
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "rename");
    int done = next(from, to);
    if (done == 0 && is_inside(to))
        note('M', from, to);
    return done;
}
