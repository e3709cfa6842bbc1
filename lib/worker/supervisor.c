/* supervisor: the process that stands over a task process and ends all that it started. */
#include "lib/worker/supervisor.h"

#include "lib/base/error.h"
#include "lib/worker/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILDREN_MAX 8192
#define CHILDREN_TEXT (CHILDREN_MAX * 8)
#define KILL_ROUNDS_MAX 100000

struct supervisor {
    const struct mr_supervisor_options *options;
    pid_t worker;
    bool has_ended;
    int signal_fd;
    struct mr_supervisor_report report;
};

/* The children of a process, up to CHILDREN_MAX. */
static size_t list_children(pid_t parent, pid_t children[CHILDREN_MAX]) {
    static char text[CHILDREN_TEXT]; /* this process has one thread */
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = 1;
    while (fd >= 0 && got > 0 && len < sizeof text - 1) { /* it comes by pages */
        got = read(fd, text + len, sizeof text - 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    text[len] = '\0';
    for (char *at = text, *end; count < CHILDREN_MAX; at = end) {
        long number = strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        children[count++] = (pid_t)number;
    }
    return count;
}

/* Takes in children that have ended; notes the worker's end. False: there is no child left. */
static bool reap(struct supervisor *supervisor) {
    for (;;) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0) {
            return pid == 0 || errno == EINTR;
        }
        if (pid == supervisor->worker) {
            uint64_t peak = (uint64_t)usage.ru_maxrss * 1024;
            supervisor->has_ended = true;
            supervisor->report.wait_status = status;
            if (peak > supervisor->report.peak_bytes) {
                supervisor->report.peak_bytes = peak;
            }
        }
    }
}

/* Kills children of a process, but one. */
static size_t kill_children(struct supervisor *supervisor, pid_t parent, pid_t spared) {
    static pid_t children[CHILDREN_MAX];
    size_t killed = 0;
    size_t count = list_children(parent, children);
    for (size_t i = 0; i < count; i++) {
        if (children[i] != spared && kill(children[i], SIGKILL) == 0) {
            killed++;
        }
    }
    supervisor->report.swept += killed;
    return killed;
}

/* A task is over: kills what it left, and what those leave, but the worker. A child of the worker
 * that has ended is the worker's to take in. */
static void sweep(struct supervisor *supervisor) {
    kill_children(supervisor, supervisor->worker, 0);
    for (int i = 0; i < KILL_ROUNDS_MAX && !supervisor->has_ended; i++) {
        (void)reap(supervisor);
        if (!kill_children(supervisor, getpid(), supervisor->worker)) {
            break;
        }
        sched_yield();
    }
}

/* Ends everything. */
static void kill_all(struct supervisor *supervisor) {
    const char *const *dir = supervisor->options->cgroups;
    for (; dir && *dir; dir++) {
        (void)mr_cgroup_kill(*dir);
    }
    (void)kill(-supervisor->worker, SIGKILL); /* its process group, at one blow */
    (void)kill(supervisor->worker, SIGKILL);
    for (int i = 0; i < KILL_ROUNDS_MAX && reap(supervisor); i++) {
        kill_children(supervisor, getpid(), 0);
        struct timespec pause = {.tv_nsec = i < 100 ? 100000 : 2000000};
        nanosleep(&pause, NULL);
    }
    for (dir = supervisor->options->cgroups; dir && *dir; dir++) {
        mr_cgroup_look(*dir, &supervisor->report.memory_kills, &supervisor->report.peak_bytes);
        (void)mr_cgroup_remove(*dir); /* if not, the engine will */
    }
}

/* Does what the engine asks; false: it is gone, or wants an end. */
static bool obey(struct supervisor *supervisor) {
    char order;
    ssize_t got = recv(MR_SUPERVISOR_LIFE_FD, &order, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (got <= 0 || order == MR_SUPERVISOR_KILL) {
        return false;
    }
    if (order == MR_SUPERVISOR_SWEEP) {
        sweep(supervisor);
    } else if (order == MR_SUPERVISOR_ECHO) {
        struct mr_supervisor_report echo = {.magic = MR_SUPERVISOR_ECHOED};
        (void)!send(MR_SUPERVISOR_LIFE_FD, &echo, sizeof echo, MSG_NOSIGNAL);
    } else if (order == MR_SUPERVISOR_TERM) {
        (void)kill(supervisor->worker, SIGTERM);
    }
    return true;
}

static void watch(struct supervisor *supervisor) {
    struct pollfd polls[2] = {{.fd = MR_SUPERVISOR_LIFE_FD, .events = POLLIN},
                              {.fd = supervisor->signal_fd, .events = POLLIN}};
    while (!supervisor->has_ended) {
        struct signalfd_siginfo info;
        if (poll(polls, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        while (read(supervisor->signal_fd, &info, sizeof info) > 0) {
        }
        if (polls[0].revents && !obey(supervisor)) {
            break;
        }
        (void)reap(supervisor);
    }
    kill_all(supervisor);
    supervisor->report.magic = MR_SUPERVISOR_MAGIC;
    (void)!send(MR_SUPERVISOR_LIFE_FD, &supervisor->report, sizeof supervisor->report,
                MSG_NOSIGNAL); /* nobody may be there any more */
}

/* The supervisor keeps no descriptor by which somebody would think that the worker lives on. */
static void let_go(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(null, STDERR_FILENO);
        (void)close(null);
    }
    (void)close(MR_SUPERVISOR_CHANNEL_FD);
    (void)close(MR_SUPERVISOR_BEACON_FD);
}

/* In the worker: a session of its own, gone with the supervisor, bounded. */
static void become_worker(const struct mr_supervisor_options *options, pid_t supervisor) {
    (void)close(MR_SUPERVISOR_LIFE_FD);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) {
        (void)raise(SIGKILL);
    }
    (void)setsid();
    for (const char *const *dir = options->cgroups; dir && *dir; dir++) {
        (void)mr_cgroup_join(*dir);
    }
}

int mr_supervisor_run(const struct mr_supervisor_options *options, bool *is_worker,
                      struct mr_error *err) {
    struct supervisor supervisor = {.options = options};
    sigset_t blocked;
    sigset_t before;
    pid_t self = getpid();
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    supervisor.signal_fd = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
    supervisor.worker = supervisor.signal_fd >= 0 ? fork() : -1;
    if (supervisor.worker < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "start a task process");
    }
    *is_worker = supervisor.worker == 0;
    if (*is_worker) {
        (void)close(supervisor.signal_fd);
        sigprocmask(SIG_SETMASK, &before, NULL);
        become_worker(options, self);
    } else {
        let_go();
        watch(&supervisor);
    }
    return MR_OK;
}
