/* cgroup: bounds on memory and processes of a task and all it starts, where the kernel lets us. */
#include "lib/worker/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 4096
#define END_TRIES 2000
#define GROUP_PREFIX "millrace-"
#define ABANDONED_SECONDS 60

/* Reads a small file; false where it can't. */
static bool read_text(const char *path, char text[TEXT_MAX]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, TEXT_MAX - 1) : -1;
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    text[got > 0 ? got : 0] = '\0';
    return got >= 0;
}

static bool write_text(const char *dir, const char *name, const char *text) {
    char path[MR_CGROUP_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);
    bool done = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    return fd >= 0 && close(fd) == 0 && done;
}

static bool write_number(const char *dir, const char *name, uint64_t number) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, number);
    return write_text(dir, name, text);
}

/* Where a controller (v2: "") is mounted and which group we are in: its directory. */
static bool find_own(const char *controller, char dir[MR_CGROUP_PATH_MAX]) {
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char text[TEXT_MAX];
    char path[MR_CGROUP_PATH_MAX];
    struct stat about;
    if (!read_text("/proc/self/cgroup", text)) {
        return false;
    }
    for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *names = strchr(line, ':');
        char *group = names ? strchr(names + 1, ':') : NULL;
        if (!group) {
            continue;
        }
        *group++ = '\0';
        if (strcmp(names + 1, controller) != 0) {
            continue;
        }
        for (size_t i = 0; i < 2; i++) {
            int len = *controller
                          ? snprintf(path, sizeof path, "%s/%s%s", roots[0], controller, group)
                          : snprintf(path, sizeof path, "%s%s", roots[i], group);
            char procs[MR_CGROUP_PATH_MAX + 16];
            snprintf(procs, sizeof procs, "%s/cgroup.procs", path);
            if (len < MR_CGROUP_PATH_MAX - 80 && stat(procs, &about) == 0) {
                snprintf(dir, MR_CGROUP_PATH_MAX, "%s", path);
                return true;
            }
        }
    }
    return false;
}

/* Removes the groups that engines left which were killed before a process stood over them. An empty
 * group that is young may be about to be joined. */
static void sweep(const char *parent) {
    DIR *listing = opendir(parent);
    struct dirent *entry;
    struct stat about;
    time_t now = time(NULL);
    while (listing && (entry = readdir(listing))) {
        if (strncmp(entry->d_name, GROUP_PREFIX, sizeof GROUP_PREFIX - 1) == 0 &&
            fstatat(dirfd(listing), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
            now - about.st_mtime > ABANDONED_SECONDS) {
            (void)unlinkat(dirfd(listing), entry->d_name, AT_REMOVEDIR); /* fails while in use */
        }
    }
    if (listing) {
        (void)closedir(listing); /* only read from */
    }
}

/* Makes a group in `parent`; its directory is the cgroup's next. */
static const char *make_in(struct mr_cgroup *cgroup, const char *parent, const char *name) {
    char *dir = cgroup->dirs[cgroup->count];
    sweep(parent);
    int len = snprintf(dir, MR_CGROUP_PATH_MAX, "%s/%s", parent, name);
    return len < MR_CGROUP_PATH_MAX && mkdir(dir, 0755) == 0 ? dir : NULL;
}

static void make_v1(struct mr_cgroup *cgroup, const char *name, uint64_t memory_bytes,
                    uint64_t processes) {
    char parent[MR_CGROUP_PATH_MAX];
    const char *dir;
    if (memory_bytes && find_own("memory", parent) && (dir = make_in(cgroup, parent, name))) {
        cgroup->bounds_memory = write_number(dir, "memory.limit_in_bytes", memory_bytes);
        (void)write_number(dir, "memory.memsw.limit_in_bytes", memory_bytes); /* not everywhere */
        cgroup->count++;
    }
    if (find_own("pids", parent) && (dir = make_in(cgroup, parent, name))) {
        cgroup->bounds_processes = write_number(dir, "pids.max", processes);
        cgroup->count++;
    }
}

/* Whether a v2 group hands the controllers down. */
static bool hands_down(const char *dir) {
    char path[MR_CGROUP_PATH_MAX + 32];
    char text[TEXT_MAX];
    snprintf(path, sizeof path, "%s/cgroup.subtree_control", dir);
    return read_text(path, text) && strstr(text, "memory") && strstr(text, "pids");
}

static void make_v2(struct mr_cgroup *cgroup, const char *name, uint64_t memory_bytes,
                    uint64_t processes) {
    char parent[MR_CGROUP_PATH_MAX];
    if (!find_own("", parent)) {
        return;
    }
    if (!hands_down(parent)) { /* a group with processes in it rarely does */
        char *slash = strrchr(parent, '/');
        *slash = '\0';
        if (!hands_down(parent)) {
            return;
        }
    }
    const char *dir = make_in(cgroup, parent, name);
    if (dir) {
        cgroup->bounds_memory = memory_bytes && write_number(dir, "memory.max", memory_bytes);
        (void)write_text(dir, "memory.swap.max", "0"); /* where there is swap to account for */
        cgroup->bounds_processes = write_number(dir, "pids.max", processes);
        cgroup->count++;
    }
}

void mr_cgroup_make(struct mr_cgroup *cgroup, const char *name, uint64_t memory_bytes,
                    uint64_t processes) {
    *cgroup = (struct mr_cgroup){0};
    make_v1(cgroup, name, memory_bytes, processes);
    if (!cgroup->count) {
        make_v2(cgroup, name, memory_bytes, processes);
    }
}

bool mr_cgroup_join(const char *dir) {
    return write_text(dir, "cgroup.procs", "0");
}

bool mr_cgroup_kill(const char *dir) {
    return write_text(dir, "cgroup.kill", "1");
}

/* The number behind a word of a file of a group, or the whole file's. */
static uint64_t number_in(const char *dir, const char *name, const char *word) {
    char path[MR_CGROUP_PATH_MAX + 32];
    char text[TEXT_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!read_text(path, text)) {
        return 0;
    }
    const char *at = *word ? strstr(text, word) : text;
    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

void mr_cgroup_look(const char *dir, uint64_t *kills, uint64_t *peak_bytes) {
    uint64_t peak = number_in(dir, "memory.max_usage_in_bytes", "");
    *kills += number_in(dir, "memory.oom_control", "oom_kill ");
    *kills += number_in(dir, "memory.events", "oom_kill ");
    peak = peak ? peak : number_in(dir, "memory.peak", "");
    *peak_bytes = peak > *peak_bytes ? peak : *peak_bytes;
}

bool mr_cgroup_remove(const char *dir) {
    return rmdir(dir) == 0 || errno == ENOENT; /* somebody was faster */
}

size_t mr_cgroup_kill_members(const char *dir, pid_t spared) {
    char path[MR_CGROUP_PATH_MAX + 32];
    char text[TEXT_MAX];
    size_t killed = 0;
    snprintf(path, sizeof path, "%s/cgroup.procs", dir);
    if (!read_text(path, text)) {
        return 0;
    }
    for (char *at = text, *end; *at; at = end + 1) {
        long number = strtol(at, &end, 10);
        if (end == at || *end != '\n') { /* the last one may be cut off */
            break;
        }
        if (number > 1 && (pid_t)number != spared) { /* 0: can't be seen from here */
            killed += kill((pid_t)number, SIGKILL) == 0;
        }
    }
    return killed;
}

void mr_cgroup_end(const char *dir) {
    for (int i = 0; i < END_TRIES && !mr_cgroup_remove(dir); i++) {
        struct timespec pause = {.tv_nsec = 1000000};
        if (!mr_cgroup_kill(dir)) {
            (void)mr_cgroup_kill_members(dir, 0);
        }
        nanosleep(&pause, NULL);
    }
}
