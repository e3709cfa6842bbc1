/* process: the engine's end of a task process: starts it, hears of it, ends it and all it started.
 */
#include "lib/worker/process.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/worker/cgroup.h"
#include "lib/worker/leftovers.h"
#include "lib/worker/log.h"
#include "lib/worker/spawn.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEAVE_SECONDS 1.0 /* for a worker that has nothing to do to end */
#define REAP_PAUSE_NS 200000
#define UNREAD_MAX ((size_t)4 << 20) /* taken in while it reads nothing itself */

struct mr_process {
    struct mr_spawn spawn; /* the supervisor */
    struct mr_channel channel;
    bool channel_closed;
    struct mr_cgroup cgroup;
    struct mr_supervisor_report report;
    bool has_ended;
    unsigned echoes_due; /* the supervisor has not done yet what it was asked */
    bool is_abandoned;
    double kill_seconds;
    struct mr_log log;
    struct mr_leftovers leftovers;
};

/* ---- starting ---------------------------------------------------------------------------------*/

/* Starts it, with its bounds for arguments. */
static int spawn(struct mr_process *process, const struct mr_process_options *options,
                 struct mr_error *err) {
    char memory[48];
    char groups[MR_CGROUP_DIRS_MAX][MR_CGROUP_PATH_MAX + 8];
    char *args[4 + MR_CGROUP_DIRS_MAX] = {"millrace", "task", memory};
    snprintf(memory, sizeof memory, "%s=%" PRIu64,
             process->cgroup.bounds_memory ? "memory-by-group" : "memory", options->memory_bytes);
    for (unsigned i = 0; i < process->cgroup.count; i++) {
        snprintf(groups[i], sizeof groups[i], "group=%s", process->cgroup.dirs[i]);
        args[3 + i] = groups[i];
    }
    (void)!mr_spawn_start(&process->spawn, options->program, args, err);
    process->channel.fd = process->spawn.channel_fd; /* which the channel closes */
    process->spawn.channel_fd = -1;
    process->log.pipe_fd = process->spawn.log_fd; /* likewise */
    process->spawn.log_fd = -1;
    return err->code;
}

int mr_process_start(const struct mr_process_options *options, struct mr_process **process,
                     struct mr_error *err) {
    struct mr_process *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a task process");
    }
    made->channel.fd = -1;
    made->spawn = MR_SPAWN_NONE;
    made->log = MR_LOG_NONE;
    made->log.echoes = options->echoes;
    made->leftovers = MR_LEFTOVERS_UNKNOWN;
    made->kill_seconds =
        options->kill_seconds > 0 ? options->kill_seconds : MR_PROCESS_KILL_SECONDS;
    mr_cgroup_make(&made->cgroup, options->name, options->memory_bytes, MR_PROCESS_PROCESSES_MAX);
    if (spawn(made, options, err)) {
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
    ssize_t got =
        recv(process->spawn.life_fd, &process->report, sizeof process->report, MSG_WAITALL);
    if (got == sizeof process->report && process->report.magic == MR_SUPERVISOR_ECHOED) {
        process->echoes_due -= process->echoes_due > 0;
        return MR_OK;
    }
    if (got != sizeof process->report || process->report.magic != MR_SUPERVISOR_MAGIC) {
        process->report = (struct mr_supervisor_report){0};
    }
    process->has_ended = true;
    if (is_ready(process->log.pipe_fd)) {
        mr_log_take(&process->log);
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
        {.fd = process->spawn.life_fd, .events = POLLIN},
        {.fd = process->log.pipe_fd, .events = POLLIN},
        {.fd = process->channel_closed ? -1 : process->channel.fd, .events = POLLIN}};
    int ready = poll(polls, 3, timeout_ms);
    if (ready <= 0) {
        return ready < 0 && errno == EINTR;
    }
    if (polls[1].revents) {
        mr_log_take(&process->log);
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

struct mr_log *mr_process_log(struct mr_process *process) {
    return &process->log;
}

static void order(struct mr_process *process, enum mr_supervisor_order what) {
    char byte = (char)what;
    if (process->spawn.life_fd >= 0) {
        (void)!send(process->spawn.life_fd, &byte, 1,
                    MSG_NOSIGNAL | MSG_DONTWAIT); /* gone: it is what was wanted */
    }
}

/* Job code may have stopped the supervisor, whose user it is. */
static void awaken(const struct mr_process *process) {
    (void)kill(process->spawn.pid, SIGCONT);
}

void mr_process_sweep(struct mr_process *process) {
    if (mr_leftovers_are_none(&process->leftovers, process->spawn.pid)) {
        return;
    }
    awaken(process);
    order(process, MR_SUPERVISOR_SWEEP);
    order(process, MR_SUPERVISOR_ECHO);
    process->echoes_due++;
}

void mr_process_terminate(struct mr_process *process, bool at_once) {
    awaken(process);
    order(process, at_once ? MR_SUPERVISOR_KILL : MR_SUPERVISOR_TERM);
}

void mr_process_abandon(struct mr_process *process) {
    (void)kill(process->spawn.pid, SIGKILL); /* the worker dies with it */
    process->has_ended |= process->is_abandoned;
    process->is_abandoned = true;
}

/* Waits a moment for the supervisor's word; reads the log meanwhile, for nobody may hang for want
 * of a reader. */
static void await_word(struct mr_process *process, int timeout_ms) {
    struct mr_error ignored = {0};
    struct pollfd look = {.fd = process->spawn.life_fd, .events = POLLIN};
    if (poll(&look, 1, timeout_ms) > 0) {
        (void)!take_end(process, &ignored);
    }
    if (process->log.pipe_fd >= 0) {
        mr_log_take(&process->log);
    }
}

bool mr_process_is_swept(struct mr_process *process, int timeout_ms) {
    if (process->echoes_due && !process->has_ended) {
        await_word(process, timeout_ms);
    }
    return process->echoes_due == 0 || process->has_ended;
}

bool mr_process_is_idle(const struct mr_process *process) {
    return !process->has_ended && !process->channel_closed && process->echoes_due == 0 &&
           mr_channel_is_silent(&process->channel);
}

int mr_process_tend(struct mr_process *process, int timeout_ms, struct mr_error *err) {
    bool has_room = !process->channel_closed && process->channel.in.len < UNREAD_MAX;
    struct pollfd polls[3] = {
        {.fd = process->spawn.life_fd, .events = POLLIN},
        {.fd = process->log.pipe_fd, .events = POLLIN},
        {.fd = process->channel.fd, .events = (short)(POLLOUT | (has_room ? POLLIN : 0))}};
    if (poll(polls, 3, timeout_ms) <= 0) {
        return MR_OK; /* the caller looks after the time */
    }
    if (polls[1].revents) {
        mr_log_take(&process->log);
    }
    if (has_room && polls[2].revents & (POLLIN | POLLHUP) && take_channel(process, err)) {
        return err->code;
    }
    if (polls[0].revents && take_end(process, err)) {
        return err->code;
    }
    return process->has_ended ? mr_error_set(err, MR_ERR_CLOSED, "the task process has ended")
                              : MR_OK;
}

/* Waits until the supervisor has ended all, or (`is_swept`) done what it was asked, or for as long
 * as that may take. */
static void wait_for_end(struct mr_process *process, bool is_swept, double seconds) {
    double until = mr_clock_seconds() + seconds;
    while (!process->has_ended && !(is_swept && process->echoes_due == 0) &&
           mr_clock_seconds() < until) {
        await_word(process, 100);
    }
}

/* What is not read at once by a process that is about to end is not worth waiting for. */
static int do_not_linger(void *arg, struct mr_error *err) {
    (void)arg;
    return mr_error_set(err, MR_ERR_CLOSED, "the task process reads nothing");
}

/* Takes in the supervisor; one that the kernel does not let die is left to it. */
static void reap(struct mr_process *process) {
    struct timespec pause = {.tv_nsec = REAP_PAUSE_NS};
    unsigned looks = (unsigned)(MR_PROCESS_KILL_SECONDS * 1e9 / REAP_PAUSE_NS);
    for (unsigned i = 0; i < looks; i++) { /* where all stand still, it can't die meanwhile */
        pid_t got = waitpid(process->spawn.pid, NULL, WNOHANG);
        if (got == process->spawn.pid || (got < 0 && errno != EINTR)) {
            return;
        }
        nanosleep(&pause, NULL);
    }
}

void mr_process_stop(struct mr_process *process) {
    struct mr_error ignored = {0};
    if (!process) {
        return;
    }
    if (process->spawn.pid > 0) {
        if (!process->has_ended) {
            mr_process_sweep(process); /* which is over before the worker goes */
        }
        wait_for_end(process, true, LEAVE_SECONDS);
        process->channel.linger = do_not_linger;
        (void)!mr_channel_send(&process->channel, MR_CHANNEL_QUIT, (struct mr_bytes){0}, &ignored);
        wait_for_end(process, false, LEAVE_SECONDS);
        mr_process_terminate(process, true);
        wait_for_end(process, false, process->kill_seconds);
        (void)kill(process->spawn.pid, SIGKILL);
        reap(process);
    }
    for (unsigned i = 0; i < process->cgroup.count; i++) {
        mr_cgroup_end(process->cgroup.dirs[i]);
    }
    mr_channel_close(&process->channel);
    mr_log_close(&process->log);
    mr_leftovers_close(&process->leftovers);
    mr_spawn_close(&process->spawn);
    free(process);
}

/* ---- telling ----------------------------------------------------------------------------------*/

struct mr_where mr_process_where(const struct mr_process *process) {
    struct mr_where where;
    const struct mr_process_beacon *beacon = process->spawn.beacon;
    memcpy(&where, &beacon->where, sizeof where);
    where.job = where.round = NULL; /* `input` tells only whether there is one */
    where.input = where.input ? "" : NULL;
    return where;
}

const struct mr_supervisor_report *mr_process_report(const struct mr_process *process) {
    return &process->report;
}

void mr_process_note_ungrouped(struct mr_process *process) {
    process->cgroup.bounds_memory = false;
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
