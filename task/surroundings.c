/* surroundings: what a task process has around the job's code, and puts right when that changed it.
 */
#include "task/surroundings.h"

#include "lib/base/error.h"
#include "lib/worker/process.h"
#include "lib/worker/supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

#define FDS_MAX 65536

bool mr_surroundings_are_there(void) {
    struct stat about[3];
    return fstat(MR_SUPERVISOR_CHANNEL_FD, &about[0]) == 0 && S_ISSOCK(about[0].st_mode) &&
           fstat(MR_SUPERVISOR_BEACON_FD, &about[1]) == 0 && S_ISREG(about[1].st_mode) &&
           fstat(MR_SUPERVISOR_LIFE_FD, &about[2]) == 0 && S_ISSOCK(about[2].st_mode);
}

/* A merge may read from as many files as there are partitions. */
static void raise_fd_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t most = limit.rlim_max < FDS_MAX ? limit.rlim_max : FDS_MAX;
        limit.rlim_cur = limit.rlim_cur < most ? most : limit.rlim_cur;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The lowest number that the engine's own descriptors may have. */
static int fd_floor(void) {
    struct rlimit limit;
    bool is_low = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 4 * MR_SURROUNDINGS_FDS;
    return is_low ? (int)(limit.rlim_cur / 4) : MR_SURROUNDINGS_FDS;
}

/* A copy out of the way of whoever closes descriptors by their numbers. */
static int lift(int fd, int floor) {
    return fcntl(fd, F_DUPFD_CLOEXEC, floor);
}

/* Takes up the low numbers, so that files that are opened from here on stand above them. */
static void fill_low(int null_fd, int floor) {
    for (;;) {
        int fd = fcntl(null_fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0 || fd >= floor) {
            if (fd >= 0) {
                (void)close(fd); /* the first that is free above */
            }
            return;
        }
    }
}

/* What the process maps already, of which the bound is no part. */
static uint64_t mapped_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        char text[64] = "";
        if (fgets(text, sizeof text, file)) {
            pages = strtoul(text, NULL, 10);
        }
        (void)fclose(file); /* only read from */
    }
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void bound(uint64_t memory_bytes) {
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none); /* a crash leaves no file */
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (memory_bytes && !IS_SANITIZED) { /* sanitizers reserve terabytes */
        uint64_t most = memory_bytes + mapped_bytes();
        struct rlimit limit = {most, most};
        (void)setrlimit(RLIMIT_AS, &limit);
    }
}

int mr_surroundings_enter(struct mr_surroundings *surroundings, uint64_t memory_bytes,
                          struct mr_error *err) {
    raise_fd_limit();
    int floor = fd_floor();
    int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    void *page = mmap(NULL, sizeof(struct mr_process_beacon), PROT_READ | PROT_WRITE, MAP_SHARED,
                      MR_SUPERVISOR_BEACON_FD, 0);
    *surroundings = (struct mr_surroundings){.channel_fd = lift(MR_SUPERVISOR_CHANNEL_FD, floor),
                                             .log_fd = lift(STDERR_FILENO, floor),
                                             .null_fd = lift(STDIN_FILENO, floor),
                                             .cwd_fd = cwd < 0 ? -1 : lift(cwd, floor),
                                             .umask = umask(0)};
    (void)umask(surroundings->umask);
    if (surroundings->channel_fd < 0 || surroundings->log_fd < 0 || surroundings->null_fd < 0 ||
        page == MAP_FAILED) {
        return mr_error_errno(err, MR_ERR_IO, errno, "begin a task process");
    }
    struct mr_process_beacon *beacon = page;
    surroundings->where = &beacon->where;
    (void)madvise(page, sizeof *beacon, MADV_DONTFORK);
    (void)close(MR_SUPERVISOR_CHANNEL_FD); /* copies */
    (void)close(MR_SUPERVISOR_BEACON_FD);
    if (cwd >= 0) {
        (void)close(cwd);
    }
    bound(memory_bytes);
    fill_low(surroundings->null_fd, floor);
    return MR_OK;
}

void mr_surroundings_restore(const struct mr_surroundings *surroundings) {
    struct itimerval none = {0};
    sigset_t all_open;
    (void)dup2(surroundings->null_fd, STDIN_FILENO);
    (void)dup2(surroundings->log_fd, STDOUT_FILENO);
    (void)dup2(surroundings->log_fd, STDERR_FILENO);
    fill_low(surroundings->null_fd, fd_floor());
    if (surroundings->cwd_fd >= 0) {
        (void)!fchdir(surroundings->cwd_fd); /* gone: paths that are relative fail by name */
    }
    (void)umask(surroundings->umask);
    for (int number = 1; number < NSIG; number++) {
        if (number != SIGPIPE) {
            signal(number, SIG_DFL); /* those of the system refuse */
        }
    }
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&all_open);
    sigprocmask(SIG_SETMASK, &all_open, NULL);
    while (waitpid(-1, NULL, WNOHANG) > 0) { /* what the supervisor killed */
    }
    (void)setitimer(ITIMER_REAL, &none, NULL);
    (void)setlocale(LC_ALL, "C");
}
