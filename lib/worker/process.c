/* process: the engine's end of a task process: starts it, hears of it, ends it and all it started.
 */
#include "lib/worker/process.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/worker/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEACON_BYTES 4096
#define SPAWN_FD_MIN 16 /* above those that a task process gets */
#define LOG_READ_BYTES 4096
#define LOG_READS_MAX 16
#define LEAVE_SECONDS 1.0 /* for a worker that has nothing to do to end */
#define KILL_SECONDS 20.0 /* for a supervisor to end all it stands over */

extern char **environ;

struct mr_process {
    pid_t pid; /* the supervisor's */
    struct mr_channel channel;
    bool channel_closed;
    int life_fd;
    int log_fd;
    struct mr_process_beacon *beacon;
    struct mr_cgroup cgroup;
    struct mr_supervisor_report report;
    bool has_ended;
    bool has_echoed; /* the supervisor has done what it was asked */
    bool echoes;
    int keep_fd;        /* where the log goes besides; -1: nowhere */
    uint64_t log_bytes; /* of the attempt */
    char tail[2 * MR_PROCESS_TAIL];
    size_t tail_len;
};

/* ---- starting ---------------------------------------------------------------------------------*/

/* The ends of what connects us: ours, and the child's until it has them. */
struct ends {
    int channel;
    int life;
    int log;
    int beacon;
    int null;
};

static int raise_fd(int *fd) {
    int high = *fd >= 0 ? fcntl(*fd, F_DUPFD_CLOEXEC, SPAWN_FD_MIN) : -1;
    if (*fd >= 0) {
        int reason = errno;
        (void)close(*fd); /* a copy */
        errno = reason;
    }
    *fd = high;
    return high < 0 ? -1 : 0;
}

static void close_ends(struct ends *ends) {
    int *const fds[] = {&ends->channel, &ends->life, &ends->log, &ends->beacon, &ends->null};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0) {
            (void)close(*fds[i]); /* the child has copies */
            *fds[i] = -1;
        }
    }
}

static int open_pair(int *ours, int *theirs) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
        return -1;
    }
    *ours = fds[0];
    *theirs = fds[1];
    return raise_fd(theirs);
}

static int open_log(struct mr_process *process, struct ends *ends) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC)) {
        return -1;
    }
    process->log_fd = fds[0];
    ends->log = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) || raise_fd(&ends->log) ? -1 : 0;
}

static int open_beacon(struct mr_process *process, struct ends *ends) {
    ends->beacon = memfd_create("millrace-task", MFD_CLOEXEC);
    if (ends->beacon < 0 || raise_fd(&ends->beacon) || ftruncate(ends->beacon, BEACON_BYTES)) {
        return -1;
    }
    void *page = mmap(NULL, BEACON_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ends->beacon, 0);
    process->beacon = page == MAP_FAILED ? NULL : page;
    return process->beacon ? 0 : -1;
}

static int open_ends(struct mr_process *process, struct ends *ends, struct mr_error *err) {
    ends->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (raise_fd(&ends->null) || open_pair(&process->channel.fd, &ends->channel) ||
        open_pair(&process->life_fd, &ends->life) || open_log(process, ends) ||
        open_beacon(process, ends)) {
        return mr_error_errno(err, MR_ERR_IO, errno, "start a task process");
    }
    return MR_OK;
}

/* What the child has open: 0 to 5, in this order. */
static int plan_files(posix_spawn_file_actions_t *files, const struct ends *ends) {
    const int fds[] = {ends->null, ends->log, ends->log, ends->channel, ends->beacon, ends->life};
    int failure = 0;
    for (int i = 0; i < (int)(sizeof fds / sizeof *fds) && !failure; i++) {
        failure = posix_spawn_file_actions_adddup2(files, fds[i], i);
    }
    return failure ? failure : posix_spawn_file_actions_addclosefrom_np(files, 6);
}

/* A session of its own, and signals as a fresh program has them. */
static int plan_attributes(posix_spawnattr_t *attributes) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    int failure = posix_spawnattr_setsigmask(attributes, &none);
    failure = failure ? failure : posix_spawnattr_setsigdefault(attributes, &all);
    return failure
               ? failure
               : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                          POSIX_SPAWN_SETSIGDEF);
}

static int spawn(struct mr_process *process, const struct mr_process_options *options,
                 const struct ends *ends, struct mr_error *err) {
    char memory[32];
    char groups[MR_CGROUP_DIRS_MAX][MR_CGROUP_PATH_MAX + 8];
    char *args[4 + MR_CGROUP_DIRS_MAX] = {"millrace", "task", memory};
    snprintf(memory, sizeof memory, "memory=%" PRIu64,
             process->cgroup.bounds_memory ? 0 : options->memory_bytes);
    for (unsigned i = 0; i < process->cgroup.count; i++) {
        snprintf(groups[i], sizeof groups[i], "group=%s", process->cgroup.dirs[i]);
        args[3 + i] = groups[i];
    }
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    int failure = plan_files(&files, ends);
    failure = failure ? failure : plan_attributes(&attributes);
    failure =
        failure ? failure
                : posix_spawn(&process->pid, options->program, &files, &attributes, args, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (failure) {
        process->pid = 0;
        return mr_error_errno(err,
                              failure == ENOENT || failure == EACCES ? MR_ERR_USAGE : MR_ERR_IO,
                              failure, "start \"%s\" as a task process", options->program);
    }
    return MR_OK;
}

int mr_process_start(const struct mr_process_options *options, struct mr_process **process,
                     struct mr_error *err) {
    struct ends ends = {-1, -1, -1, -1, -1};
    struct mr_process *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a task process");
    }
    made->channel.fd = made->life_fd = made->log_fd = made->keep_fd = -1;
    made->echoes = options->echoes;
    mr_cgroup_make(&made->cgroup, options->name, options->memory_bytes, MR_PROCESS_PROCESSES_MAX);
    if (!open_ends(made, &ends, err)) {
        (void)!spawn(made, options, &ends, err);
    }
    close_ends(&ends);
    if (err->code) {
        mr_process_stop(made);
        return err->code;
    }
    *process = made;
    return MR_OK;
}

/* ---- hearing ----------------------------------------------------------------------------------*/

struct mr_channel *mr_process_channel(struct mr_process *process) {
    return &process->channel;
}

/* Keeps the end of what was written. */
static void keep_tail(struct mr_process *process, const char *text, size_t len) {
    if (len > MR_PROCESS_TAIL) {
        text += len - MR_PROCESS_TAIL;
        len = MR_PROCESS_TAIL;
    }
    if (process->tail_len + len > sizeof process->tail) {
        size_t kept = MR_PROCESS_TAIL;
        memmove(process->tail, process->tail + process->tail_len - kept, kept);
        process->tail_len = kept;
    }
    memcpy(process->tail + process->tail_len, text, len);
    process->tail_len += len;
}

static void take_log(struct mr_process *process) {
    char text[LOG_READ_BYTES];
    ssize_t got = 1;
    for (unsigned i = 0; i < LOG_READS_MAX && got > 0; i++) { /* who floods it waits, we don't */
        got = read(process->log_fd, text, sizeof text);
        if (got <= 0) {
            break;
        }
        struct mr_error ignored = {0};
        uint64_t before = process->log_bytes;
        process->log_bytes += (uint64_t)got;
        keep_tail(process, text, (size_t)got);
        if (process->keep_fd >= 0 && before < MR_PROCESS_LOG_MAX) { /* a full disk: it is shorter */
            (void)!mr_file_write(process->keep_fd, text, (size_t)got, "a log", &ignored);
        }
        if (process->echoes && before < MR_PROCESS_LOG_MAX) {
            (void)!mr_file_write(STDERR_FILENO, text, (size_t)got, "standard error", &ignored);
        }
        if (got < (ssize_t)sizeof text) {
            break;
        }
    }
    if (got == 0) {
        (void)close(process->log_fd);
        process->log_fd = -1;
    }
}

static int take_channel(struct mr_process *process, struct mr_error *err) {
    return mr_channel_fill(&process->channel, &process->channel_closed, err);
}

/* Whether a descriptor has something to read right now. */
static bool is_ready(int fd) {
    struct pollfd look = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&look, 1, 0) > 0;
}

/* The supervisor reported, or is gone. What was said before then is read first. */
static int take_end(struct mr_process *process, struct mr_error *err) {
    ssize_t got = recv(process->life_fd, &process->report, sizeof process->report, MSG_WAITALL);
    if (got == sizeof process->report && process->report.magic == MR_SUPERVISOR_ECHOED) {
        process->has_echoed = true;
        return MR_OK;
    }
    if (got != sizeof process->report || process->report.magic != MR_SUPERVISOR_MAGIC) {
        process->report = (struct mr_supervisor_report){0};
    }
    process->has_ended = true;
    if (is_ready(process->log_fd)) {
        take_log(process);
    }
    while (!process->channel_closed && is_ready(process->channel.fd)) {
        if (take_channel(process, err)) {
            return err->code;
        }
    }
    return MR_OK;
}

/* Waits once; false: the time is over. */
static bool wait_once(struct mr_process *process, int timeout_ms, struct mr_error *err) {
    struct pollfd polls[3] = {
        {.fd = process->life_fd, .events = POLLIN},
        {.fd = process->log_fd, .events = POLLIN},
        {.fd = process->channel_closed ? -1 : process->channel.fd, .events = POLLIN}};
    int ready = poll(polls, 3, timeout_ms);
    if (ready <= 0) {
        return ready < 0 && errno == EINTR;
    }
    if (polls[1].revents) {
        take_log(process);
    }
    if (polls[2].revents && take_channel(process, err)) {
        return true;
    }
    if (polls[0].revents) {
        (void)!take_end(process, err);
    }
    return true;
}

int mr_process_wait(struct mr_process *process, int timeout_ms, enum mr_process_news *news,
                    enum mr_channel_kind *kind, struct mr_bytes *body, struct mr_error *err) {
    double until = mr_clock_seconds() + timeout_ms / 1000.0;
    for (;;) {
        int got = mr_channel_take(&process->channel, kind, body, err);
        if (got) {
            *news = MR_PROCESS_FRAME;
            return got < 0 ? got : MR_OK;
        }
        if (process->has_ended) {
            *news = MR_PROCESS_ENDED;
            return MR_OK;
        }
        double left = (until - mr_clock_seconds()) * 1000;
        if (left < 0 || !wait_once(process, (int)left + 1, err)) {
            *news = MR_PROCESS_QUIET;
            return err->code;
        }
        if (err->code) {
            return err->code;
        }
    }
}

/* ---- steering ---------------------------------------------------------------------------------*/

void mr_process_begin(struct mr_process *process) {
    process->log_bytes = 0;
    process->tail_len = 0;
}

void mr_process_keep_log(struct mr_process *process, int fd) {
    process->keep_fd = fd;
}

uint64_t mr_process_log_bytes(const struct mr_process *process) {
    return process->log_bytes;
}

static void order(struct mr_process *process, enum mr_supervisor_order what) {
    char byte = (char)what;
    if (process->life_fd >= 0) {
        (void)!send(process->life_fd, &byte, 1,
                    MSG_NOSIGNAL | MSG_DONTWAIT); /* gone: it is what was wanted */
    }
}

void mr_process_sweep(struct mr_process *process) {
    order(process, MR_SUPERVISOR_SWEEP);
}

void mr_process_terminate(struct mr_process *process, bool at_once) {
    order(process, at_once ? MR_SUPERVISOR_KILL : MR_SUPERVISOR_TERM);
}

/* Waits until the supervisor has ended all, or (`is_echo`) done what it was asked, or for as long
 * as that may take. */
static void wait_for_end(struct mr_process *process, bool is_echo, double seconds) {
    double until = mr_clock_seconds() + seconds;
    struct mr_error ignored = {0};
    while (!process->has_ended && !(is_echo && process->has_echoed) && mr_clock_seconds() < until) {
        struct pollfd look = {.fd = process->life_fd, .events = POLLIN};
        if (poll(&look, 1, 100) > 0) {
            (void)!take_end(process, &ignored);
        }
        if (process->log_fd >= 0) {
            take_log(process); /* nobody may hang for want of a reader */
        }
    }
}

void mr_process_stop(struct mr_process *process) {
    struct mr_error ignored = {0};
    if (!process) {
        return;
    }
    if (process->pid > 0) {
        order(process, MR_SUPERVISOR_SWEEP); /* which is over before the worker goes */
        order(process, MR_SUPERVISOR_ECHO);
        wait_for_end(process, true, LEAVE_SECONDS);
        (void)!mr_channel_send(&process->channel, MR_CHANNEL_QUIT, (struct mr_bytes){0}, &ignored);
        wait_for_end(process, false, LEAVE_SECONDS);
        order(process, MR_SUPERVISOR_KILL);
        wait_for_end(process, false, KILL_SECONDS);
        (void)kill(process->pid, SIGKILL);
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    for (unsigned i = 0; i < process->cgroup.count; i++) {
        mr_cgroup_end(process->cgroup.dirs[i]);
    }
    mr_channel_close(&process->channel);
    if (process->life_fd >= 0) {
        (void)close(process->life_fd);
    }
    if (process->log_fd >= 0) {
        (void)close(process->log_fd);
    }
    if (process->beacon) {
        munmap(process->beacon, BEACON_BYTES);
    }
    free(process);
}

/* ---- telling ----------------------------------------------------------------------------------*/

struct mr_where mr_process_where(const struct mr_process *process) {
    struct mr_where where;
    memcpy(&where, &process->beacon->where, sizeof where);
    where.job = where.round = NULL; /* `input` tells only whether there is one */
    where.input = where.input ? "" : NULL;
    return where;
}

const struct mr_supervisor_report *mr_process_report(const struct mr_process *process) {
    return &process->report;
}

void mr_process_add_log(const struct mr_process *process, struct mr_error *err) {
    char line[MR_PROCESS_TAIL + 1];
    size_t end = process->tail_len;
    while (end > 0 && process->tail[end - 1] == '\n') {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && process->tail[begin - 1] != '\n' && end - begin < 300) {
        begin--;
    }
    if (begin == end) {
        return;
    }
    memcpy(line, process->tail + begin, end - begin);
    line[end - begin] = '\0';
    mr_error_add(err, "; its log (%" PRIu64 " bytes) ends: %s", process->log_bytes, line);
}

bool mr_process_is_grouped(const struct mr_process *process) {
    return process->cgroup.bounds_memory;
}

const char *mr_process_bounds(const struct mr_process *process) {
    const struct mr_cgroup *cgroup = &process->cgroup;
    if (cgroup->bounds_memory) {
        return "memory and processes by a cgroup, and a supervisor";
    }
    return cgroup->bounds_processes ? "processes by a cgroup, memory by RLIMIT_AS, and a supervisor"
                                    : "memory by RLIMIT_AS, and a supervisor";
}
