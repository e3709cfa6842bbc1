/* offspring: finds and kills what a process has started, and what those have. */
#include "lib/worker/offspring.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOUND_MAX 8192 /* at once: what is beyond is found when these are gone */
#define TEXT_BYTES (FOUND_MAX * 8)
#define FIELDS_TO_THREADS 17 /* in /proc/P/stat, from the state to the number of threads */

/* A walk down the tree: processes whose children are still to be listed. */
struct walk {
    pid_t found[FOUND_MAX];
    size_t count;
    size_t next;
    char text[TEXT_BYTES];
    bool is_blind; /* it could not look somewhere */
};

/* Reads what fits of a file in /proc, which comes by pages; false: it is gone. */
static bool read_text(struct walk *walk, const char *path) {
    size_t len = 0;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    walk->is_blind |= fd < 0 && errno != ENOENT && errno != ESRCH;
    while (fd >= 0 && got > 0 && len < sizeof walk->text - 1) {
        got = read(fd, walk->text + len, sizeof walk->text - 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    walk->text[len] = '\0';
    return fd >= 0;
}

/* Adds the processes that a text lists. A number without a blank behind it may be cut off. */
static void add_listed(struct walk *walk) {
    for (char *at = walk->text, *end; walk->count < FOUND_MAX; at = end) {
        long number = strtol(at, &end, 10);
        if (end == at || *end != ' ') {
            return;
        }
        walk->found[walk->count++] = (pid_t)number;
    }
}

static void add_children(struct walk *walk, pid_t parent) {
    char path[96];
    struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
    DIR *threads = opendir(path);
    walk->is_blind |= !threads && errno != ENOENT && errno != ESRCH;
    while (threads && (entry = readdir(threads))) {
        if (isdigit((unsigned char)*entry->d_name)) {
            snprintf(path, sizeof path, "/proc/%d/task/%ld/children", (int)parent,
                     strtol(entry->d_name, NULL, 10));
            if (read_text(walk, path)) {
                add_listed(walk);
            }
        }
    }
    if (threads) {
        (void)closedir(threads); /* only read from */
    }
}

/* Whether it is more than what its parent has not taken in yet. The first thread of a process may
 * have ended before the others. */
static bool is_alive(struct walk *walk, pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_text(walk, path)) {
        return false;
    }
    const char *state = strrchr(walk->text, ')'); /* its name may hold anything */
    state = state && state[1] == ' ' ? state + 2 : "X";
    if (*state != 'Z' && *state != 'X') {
        return true;
    }
    const char *at = state;
    for (int i = 0; i < FIELDS_TO_THREADS && at; i++) {
        at = strchr(at + 1, ' ');
    }
    return at && strtol(at, NULL, 10) > 1;
}

size_t mr_offspring_kill(pid_t root, pid_t spared) {
    static struct walk walk; /* too large for a stack */
    size_t alive = 0;
    walk.count = walk.next = 0;
    walk.is_blind = false;
    add_children(&walk, root);
    while (walk.next < walk.count) {
        pid_t pid = walk.found[walk.next++];
        if (pid != spared && is_alive(&walk, pid) && kill(pid, SIGKILL) == 0) {
            alive++;
        }
        add_children(&walk, pid);
    }
    return alive + walk.is_blind;
}
