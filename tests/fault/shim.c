/* shim: makes the n-th call of a class fail, in whatever process it is preloaded into.
 *
 *     FAULT_CLASS   which calls: malloc, write, read, sync, close, open, rename, mmap, mkdir or
 *                   thread
 *
 *     FAULT_AT      the call that is struck, from 1; 0: none, calls are only counted
 *
 *     FAULT_HOW     one of these:
 *
 *     - error       it fails with FAULT_ERRNO (a number; ENOMEM where none is given)
 *     - kill        the process is killed just before the call
 *     - killed      just after it
 *     - short       from that call on, reads and writes move one byte
 *     - eintr       from that call on, every second read and write fails with EINTR
 *     - interrupt   the process is sent SIGINT just before the call, which goes on
 *     - hold        from that call on, each waits while the file FAULT_GATE exists
 *
 *     FAULT_STAYS   set: each call from there on is struck (a disk that stays full)
 *
 *     FAULT_OLD_FS  set: renames know no flags, as on older file systems (not counted)
 *
 *     FAULT_PATH    only calls on a descriptor (open, mkdir: on a name) whose path holds this
 *
 *     FAULT_REPORT  a file of three 64-bit numbers in the machine's order: calls seen, those
 * struck, and when the first of these was (nanoseconds of the monotonic clock)
 *
 * The class clock is another kind: who asks for the time of day is told it with an offset, which
 * may change all the time: FAULT_CLOCK names a file that holds the seconds, 64 bits. Calls struck
 * are those for which they were not 0. The kernel knows nothing of it: who waits until a time of
 * day waits for days, or not at all.
 *
 * The report is a shared mapping: it is right however the process ends. The shim allocates nothing
 * and goes to the kernel itself for what it needs, so that it never meets its own faults. Calls are
 * counted from the moment the program's own constructors run; which thread makes the n-th may
 * differ from run to run. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define PATH_ROOM 4096

enum how { HOW_ERROR, HOW_KILL, HOW_KILLED, HOW_SHORT, HOW_EINTR, HOW_INTERRUPT, HOW_HOLD };

struct report {
    atomic_uint_fast64_t calls;
    atomic_uint_fast64_t struck;
    atomic_uint_fast64_t when;
};

static struct report own_report;
static struct report *report = &own_report;
static const char *class_name; /* NULL: not ready, or nothing to do */
static const char *path_part;
static const char *gate_path;
static uint64_t strike_at;
static enum how how;
static int strike_errno = ENOMEM;
static bool stays;
static bool is_old_fs;
static const atomic_int_fast64_t *clock_offset; /* NULL: the time of day is as it is */

static enum how read_how(const char *text) {
    static const char *const names[] = {"error", "kill",      "killed", "short",
                                        "eintr", "interrupt", "hold"};
    for (unsigned i = 0; text && i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum how)i;
        }
    }
    return HOW_ERROR;
}

/* A file of so many bytes, made where there is none, as memory; NULL: it can't be had. */
static void *map_file(const char *path, long size) {
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || syscall(SYS_ftruncate, fd, size) != 0) { /* processes count on */
        return NULL;
    }
    long at = syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0L);
    void *mapped = NULL;
    if (at != -1) {
        memcpy(&mapped, &at, sizeof mapped);
    }
    syscall(SYS_close, fd);
    return mapped;
}

__attribute__((constructor)) static void prepare(void) {
    const char *at = getenv("FAULT_AT");
    const char *number = getenv("FAULT_ERRNO");
    const char *path = getenv("FAULT_REPORT");
    const char *clock_path = getenv("FAULT_CLOCK");
    how = read_how(getenv("FAULT_HOW"));
    strike_at = at ? strtoull(at, NULL, 10) : 0;
    strike_errno = number ? (int)strtol(number, NULL, 10) : ENOMEM;
    stays = getenv("FAULT_STAYS") != NULL;
    is_old_fs = getenv("FAULT_OLD_FS") != NULL;
    path_part = getenv("FAULT_PATH");
    gate_path = getenv("FAULT_GATE");
    struct report *mapped = path ? map_file(path, (long)sizeof *report) : NULL;
    report = mapped ? mapped : &own_report;
    clock_offset = clock_path ? map_file(clock_path, (long)sizeof *clock_offset) : NULL;
    class_name = getenv("FAULT_CLASS");
}

static bool is_class(const char *name) {
    return class_name && strcmp(class_name, name) == 0;
}

static bool names_part(const char *path) {
    return !path_part || strstr(path, path_part);
}

static bool leads_to_part(int fd) {
    char link[32];
    char path[PATH_ROOM];
    if (!path_part) {
        return true;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long len = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    return strstr(path, path_part) != NULL;
}

static void send_signal(int number) {
    syscall(SYS_kill, syscall(SYS_getpid), number);
}

static bool is_shut(void) {
    return gate_path && syscall(SYS_faccessat, AT_FDCWD, gate_path, F_OK) == 0;
}

static void note_strike(void) {
    struct timespec now = {0};
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    if (atomic_fetch_add(&report->struck, 1) == 0) {
        atomic_store(&report->when, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
    }
}

/* Counts a call; whether it is one that is struck. */
static bool strikes(void) {
    uint64_t call = atomic_fetch_add(&report->calls, 1) + 1;
    bool lasts = stays || how == HOW_SHORT || how == HOW_EINTR || how == HOW_HOLD;
    bool struck = strike_at && (call == strike_at || (lasts && call > strike_at)) &&
                  (how != HOW_HOLD || is_shut());
    if (struck) {
        note_strike();
    }
    if (struck && (how == HOW_KILL || how == HOW_INTERRUPT)) {
        send_signal(how == HOW_KILL ? SIGKILL : SIGINT);
    }
    while (struck && how == HOW_HOLD && is_shut()) {
        struct timespec pause = {.tv_nsec = 5000000};
        syscall(SYS_nanosleep, &pause, NULL);
    }
    return struck;
}

/* Behind a call that was struck and went through all the same. */
static void after(bool struck) {
    if (struck && how == HOW_KILLED) {
        send_signal(SIGKILL);
    }
}

/* Whether the call fails now; errno is set then. */
static bool fails(bool struck) {
    if (!struck || how != HOW_ERROR) {
        return false;
    }
    errno = strike_errno;
    return true;
}

/* The real one. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* ---- memory ---- */

/* glibc's own names for its allocator, as dlsym may itself allocate. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* A sanitizer's, where there is one: memory of the one must not be freed by the other. */
__attribute__((weak)) void *__interceptor_malloc(size_t size);
__attribute__((weak)) void *__interceptor_calloc(size_t count, size_t size);
__attribute__((weak)) void *__interceptor_realloc(void *old, size_t size);
__attribute__((weak)) void *__interceptor_memalign(size_t alignment, size_t size);

#define ALLOCATE(name, ...)                                                                        \
    (__interceptor_##name ? __interceptor_##name(__VA_ARGS__) : __libc_##name(__VA_ARGS__))

static bool malloc_fails(void) {
    return is_class("malloc") && fails(strikes());
}

EXPORT void *malloc(size_t size) {
    return malloc_fails() ? NULL : ALLOCATE(malloc, size);
}

EXPORT void *calloc(size_t count, size_t size) {
    return malloc_fails() ? NULL : ALLOCATE(calloc, count, size);
}

EXPORT void *realloc(void *old, size_t size) {
    return malloc_fails() ? NULL : ALLOCATE(realloc, old, size);
}

EXPORT void *reallocarray(void *old, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
    return malloc_fails() ? NULL : ALLOCATE(memalign, alignment, size);
}

EXPORT int posix_memalign(void **memory, size_t alignment, size_t size) {
    *memory = malloc_fails() ? NULL : ALLOCATE(memalign, alignment, size);
    return *memory ? 0 : ENOMEM;
}

EXPORT void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
    bool struck = is_class("mmap") && strikes();
    if (fails(struck)) {
        return MAP_FAILED;
    }
    long got = syscall(SYS_mmap, at, len, protection, flags, fd, offset);
    void *mapped;
    memcpy(&mapped, &got, sizeof mapped);
    after(struck);
    return mapped;
}

/* ---- reading, writing
 * ------------------------------------------------------------------------------------------ */

/* What a read or write is to do: -1: fail; else how many bytes to ask for. */
static ssize_t plan_transfer(const char *name, int fd, size_t len, bool *struck) {
    *struck = is_class(name) && leads_to_part(fd) && strikes();
    if (fails(*struck)) {
        return -1;
    }
    if (*struck && how == HOW_EINTR && atomic_load(&report->struck) % 2) {
        errno = EINTR;
        return -1;
    }
    return *struck && how == HOW_SHORT && len > 1 ? 1 : (ssize_t)len;
}

static ssize_t transfer(long number, const char *name, int fd, void *data, size_t len,
                        off_t offset) {
    bool struck;
    ssize_t room = plan_transfer(name, fd, len, &struck);
    if (room < 0) {
        return -1;
    }
    ssize_t done = syscall(number, fd, data, (size_t)room, offset);
    after(struck);
    return done;
}

EXPORT ssize_t read(int fd, void *data, size_t len) {
    return transfer(SYS_read, "read", fd, data, len, 0);
}

EXPORT ssize_t pread(int fd, void *data, size_t len, off_t offset) {
    return transfer(SYS_pread64, "read", fd, data, len, offset);
}

EXPORT ssize_t pread64(int fd, void *data, size_t len, off64_t offset) {
    return transfer(SYS_pread64, "read", fd, data, len, offset);
}

EXPORT ssize_t write(int fd, const void *data, size_t len) {
    return transfer(SYS_write, "write", fd, (void *)(uintptr_t)data, len, 0);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t offset) {
    return transfer(SYS_pwrite64, "write", fd, (void *)(uintptr_t)data, len, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset) {
    return transfer(SYS_pwrite64, "write", fd, (void *)(uintptr_t)data, len, offset);
}

static int sync_file(long number, int fd) {
    bool struck = is_class("sync") && leads_to_part(fd) && strikes();
    if (fails(struck)) {
        return -1;
    }
    int status = (int)syscall(number, fd);
    after(struck);
    return status;
}

EXPORT int fsync(int fd) {
    return sync_file(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd) {
    return sync_file(SYS_fdatasync, fd);
}

/* ---- descriptors and names
 * ------------------------------------------------------------------------------------- */

/* A close that fails has closed all the same, as on Linux. */
EXPORT int close(int fd) {
    bool struck = is_class("close") && leads_to_part(fd) && strikes();
    int status = (int)syscall(SYS_close, fd);
    after(struck);
    return fails(struck) ? -1 : status;
}

static int open_file(int dir_fd, const char *path, int flags, mode_t mode) {
    bool struck = is_class("open") && names_part(path) && strikes();
    if (fails(struck)) {
        return -1;
    }
    int fd = (int)syscall(SYS_openat, dir_fd, path, flags, mode);
    after(struck);
    return fd;
}

/* The mode behind the flags, where there is one. */
#define MODE_BEHIND(flags)                                                                         \
    va_list args;                                                                                  \
    va_start(args, flags);                                                                         \
    mode_t mode = (flags) & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;                      \
    va_end(args)

EXPORT int open(const char *path, int flags, ...) {
    MODE_BEHIND(flags);
    return open_file(AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...) {
    MODE_BEHIND(flags);
    return open_file(AT_FDCWD, path, flags, mode);
}

EXPORT int openat(int dir_fd, const char *path, int flags, ...) {
    MODE_BEHIND(flags);
    return open_file(dir_fd, path, flags, mode);
}

EXPORT int openat64(int dir_fd, const char *path, int flags, ...) {
    MODE_BEHIND(flags);
    return open_file(dir_fd, path, flags, mode);
}

static int rename_file(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    if (is_old_fs && flags) {
        errno = EINVAL;
        return -1;
    }
    bool struck = is_class("rename") && strikes();
    if (fails(struck)) {
        return -1;
    }
    int status = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
    after(struck);
    return status;
}

EXPORT int rename(const char *from, const char *to) {
    return rename_file(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    return rename_file(from_fd, from, to_fd, to, 0);
}

EXPORT int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    return rename_file(from_fd, from, to_fd, to, flags);
}

EXPORT int mkdirat(int dir_fd, const char *path, mode_t mode) {
    bool struck = is_class("mkdir") && strikes();
    if (fails(struck)) {
        return -1;
    }
    int status = (int)syscall(SYS_mkdirat, dir_fd, path, mode);
    after(struck);
    return status;
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg) {
    if (is_class("thread") && fails(strikes())) {
        return strike_errno;
    }
    return REAL(pthread_create)(thread, attributes, start, arg);
}

/* ---- the time of day ---- */

/* Seconds to be added to it; the call is counted. */
static time_t offset_of(clockid_t which) {
    bool is_shown = which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE;
    time_t offset = 0;
    if (is_shown && clock_offset && is_class("clock")) {
        offset = (time_t)atomic_load(clock_offset);
        atomic_fetch_add(&report->calls, 1);
        atomic_fetch_add(&report->struck, offset != 0);
    }
    return offset;
}

EXPORT int clock_gettime(clockid_t which, struct timespec *now) {
    int status = (int)syscall(SYS_clock_gettime, which, now);
    now->tv_sec += status ? 0 : offset_of(which);
    return status;
}

EXPORT int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int status = (int)syscall(SYS_gettimeofday, now, zone);
    now->tv_sec += status ? 0 : offset_of(CLOCK_REALTIME);
    return status;
}

EXPORT time_t time(time_t *kept) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (kept) {
        *kept = now.tv_sec;
    }
    return now.tv_sec;
}
