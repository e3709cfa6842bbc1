/* leftovers: whether a task left anything running, seen from the engine, without its supervisor. */
#include "lib/worker/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOKS 2
#define LIST_BYTES 64 /* of a list of one number, or none, and what shows that there is more */
#define THREADS_BYTES 1024

void mr_leftovers_close(struct mr_leftovers *leftovers) {
    int *const fds[] = {&leftovers->of_supervisor, &leftovers->threads, &leftovers->of_worker};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0) {
            (void)close(*fds[i]); /* only read from */
        }
    }
    *leftovers = MR_LEFTOVERS_UNKNOWN;
}

/* The children that a list names: their number, as far as it matters (2: more than one, -1: it
 * can't be read), and the first. */
static int read_children(int fd, pid_t *first) {
    char text[LIST_BYTES];
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    char *end = text;
    if (got <= 0) {
        return got == 0 ? 0 : -1;
    }
    text[got] = '\0';
    *first = (pid_t)strtol(text, &end, 10);
    return end[0] == ' ' && end[1] == '\0' ? 1 : 2;
}

static int open_of(pid_t pid, const char *what, int flags) {
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)pid, what);
    return open(path, O_RDONLY | O_CLOEXEC | flags);
}

/* Opens what is looked at, when there is a worker, and nothing else: else it is tried again. */
static bool open_all(struct mr_leftovers *leftovers, pid_t supervisor) {
    pid_t worker = 0;
    if (leftovers->worker) {
        return true;
    }
    leftovers->of_supervisor = open_of(supervisor, "children", 0);
    if (leftovers->of_supervisor >= 0 && read_children(leftovers->of_supervisor, &worker) == 1) {
        leftovers->threads = open_of(worker, "..", O_DIRECTORY);
        leftovers->of_worker = open_of(worker, "children", 0);
    }
    if (leftovers->threads < 0 || leftovers->of_worker < 0) {
        mr_leftovers_close(leftovers);
        return false;
    }
    leftovers->worker = worker;
    return true;
}

/* Whether the worker has one thread: its directory lists one. */
static bool has_one_thread(const struct mr_leftovers *leftovers) {
    _Alignas(struct dirent64) char bytes[THREADS_BYTES];
    size_t count = 0;
    ssize_t got = lseek(leftovers->threads, 0, SEEK_SET);
    got = got == 0 ? getdents64(leftovers->threads, bytes, sizeof bytes) : -1;
    for (ssize_t at = 0; at < got;) {
        const struct dirent64 *entry = (const void *)(bytes + at);
        count += entry->d_name[0] != '.';
        at += entry->d_reclen;
    }
    return count == 1;
}

static bool look(const struct mr_leftovers *leftovers) {
    pid_t first = 0;
    pid_t none = 0;
    return read_children(leftovers->of_supervisor, &first) == 1 && first == leftovers->worker &&
           has_one_thread(leftovers) && read_children(leftovers->of_worker, &none) == 0;
}

bool mr_leftovers_are_none(struct mr_leftovers *leftovers, pid_t supervisor) {
    bool are_none = open_all(leftovers, supervisor);
    for (int i = 0; i < LOOKS && are_none; i++) {
        are_none = look(leftovers);
    }
    return are_none;
}
