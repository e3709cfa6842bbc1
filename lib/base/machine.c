/* machine: what this process may use of the machine.
 *
 * A cgroup's limit holds for all groups below it, so the values of the process's own group and of
 * each of its ancestors are read and the least one counts. In a container the path that
 * /proc/self/cgroup gives may not exist below the mount; the walk towards the mount's root then
 * still finds the container's own limits. Everything unreadable or unlimited counts as no limit. */
#include "lib/base/machine.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
#define TEXT_MAX 8192 /* /proc/self/cgroup with a dozen v1 controllers; /proc/self/status */

/* Reads one group's limit from its directory; UINT64_MAX where it has none. */
typedef uint64_t (*limit_reader)(const char *directory);

/* Where a limit is found: in the v2 hierarchy and in a v1 controller's. */
struct limit_kind {
    limit_reader v2;
    limit_reader v1;
    const char *controller;
};

/* The content of a small file, terminated; false where it can't be read. */
static bool read_text(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    size_t len = 0;
    ssize_t got;
    while (len < size - 1 && (got = read(fd, text + len, size - 1 - len)) > 0) {
        len += (size_t)got;
    }
    close(fd);
    text[len] = '\0';
    return len > 0;
}

static bool read_in(const char *directory, const char *name, char *text, size_t size) {
    char path[TEXT_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", directory, name);
    return len > 0 && (size_t)len < sizeof path && read_text(path, text, size);
}

/* A limit in bytes; "max" (v2) has no digits and -1 (v1) is negative: none. */
static uint64_t read_bytes(const char *directory, const char *name) {
    char text[64];
    if (!read_in(directory, name, text, sizeof text) || text[0] < '0' || text[0] > '9') {
        return UINT64_MAX;
    }
    return strtoull(text, NULL, 10);
}

static uint64_t memory_v2(const char *directory) {
    return read_bytes(directory, "memory.max");
}

static uint64_t memory_v1(const char *directory) {
    return read_bytes(directory, "memory.limit_in_bytes");
}

/* A quota of less than one CPU still is one. */
static uint64_t whole_cpus(uint64_t quota, uint64_t period) {
    return quota == 0 || period == 0 ? UINT64_MAX : quota / period + (quota % period != 0);
}

static uint64_t cpus_v2(const char *directory) {
    char text[64];
    if (!read_in(directory, "cpu.max", text, sizeof text) || text[0] < '0' || text[0] > '9') {
        return UINT64_MAX;
    }
    char *end;
    uint64_t quota = strtoull(text, &end, 10);
    return whole_cpus(quota, strtoull(end, NULL, 10));
}

static uint64_t cpus_v1(const char *directory) {
    uint64_t quota = read_bytes(directory, "cpu.cfs_quota_us");
    uint64_t period = read_bytes(directory, "cpu.cfs_period_us");
    return quota == UINT64_MAX || period == UINT64_MAX ? UINT64_MAX : whole_cpus(quota, period);
}

/* The least limit from `directory` up to its prefix of `root_len` bytes, which is shortened on the
 * way. */
static uint64_t least_upwards(limit_reader read_limit, char *directory, size_t root_len) {
    uint64_t least = UINT64_MAX;
    for (;;) {
        uint64_t limit = read_limit(directory);
        least = limit < least ? limit : least;
        char *slash = strrchr(directory, '/');
        if (strlen(directory) <= root_len || !slash || (size_t)(slash - directory) < root_len) {
            return least;
        }
        *slash = '\0';
    }
}

/* Whether `name` is one of the comma-separated `list` of `len` bytes. */
static bool lists(const char *list, size_t len, const char *name) {
    size_t name_len = strlen(name);
    const char *end = list + len;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        size_t item_len = (size_t)((comma ? comma : end) - list);
        if (item_len == name_len && memcmp(list, name, name_len) == 0) {
            return true;
        }
        list += item_len + 1;
    }
    return false;
}

/* The limit that one line of /proc/self/cgroup, "id:controllers:path", leads to. */
static uint64_t limit_of_line(const struct limit_kind *kind, const char *line) {
    const char *controllers = strchr(line, ':');
    const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) {
        return UINT64_MAX;
    }
    controllers++;
    path++;
    bool is_v2 = controllers + 1 == path;
    if (!is_v2 && !lists(controllers, (size_t)(path - 1 - controllers), kind->controller)) {
        return UINT64_MAX;
    }
    char directory[TEXT_MAX];
    int root_len = snprintf(directory, sizeof directory, "%s%s%s", CGROUP_ROOT, is_v2 ? "" : "/",
                            is_v2 ? "" : kind->controller);
    int len = snprintf(directory + root_len, sizeof directory - (size_t)root_len, "%s", path);
    if (len < 0 || (size_t)(root_len + len) >= sizeof directory) {
        return UINT64_MAX;
    }
    return least_upwards(is_v2 ? kind->v2 : kind->v1, directory, (size_t)root_len);
}

static uint64_t cgroup_limit(const struct limit_kind *kind) {
    char text[TEXT_MAX];
    if (!read_text("/proc/self/cgroup", text, sizeof text)) {
        return UINT64_MAX;
    }
    uint64_t least = UINT64_MAX;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        uint64_t limit = limit_of_line(kind, line);
        least = limit < least ? limit : least;
    }
    return least;
}

unsigned mr_machine_cpus(void) {
    cpu_set_t set;
    long count;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        count = CPU_COUNT(&set);
    } else {
        count = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than a cpu_set_t holds */
    }
    static const struct limit_kind kind = {cpus_v2, cpus_v1, "cpu"};
    uint64_t quota = cgroup_limit(&kind);
    uint64_t cpus = count < 1 ? 1 : (uint64_t)count;
    return (unsigned)(quota < cpus ? quota : cpus);
}

uint64_t mr_machine_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
    static const struct limit_kind kind = {memory_v2, memory_v1, "memory"};
    uint64_t limit = cgroup_limit(&kind);
    return bytes == 0 || limit < bytes ? limit : bytes;
}

uint64_t mr_machine_peak_rss(void) {
    /* ru_maxrss would count what the process was before its exec: a fork of a large parent. */
    char text[TEXT_MAX];
    const char *line =
        read_text("/proc/self/status", text, sizeof text) ? strstr(text, "VmHWM:") : NULL;
    if (line) {
        return strtoull(line + strlen("VmHWM:"), NULL, 10) * 1024;
    }
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}
