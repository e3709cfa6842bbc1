/* supervisor: the process that stands over a task process and ends all that it started. */
#include "lib/worker/supervisor.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/worker/cgroup.h"
#include "lib/worker/offspring.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_ROUNDS_MAX 100000
#define KILL_PAUSE_NS 100000
#define SWEEP_SECONDS 5.0 /* what is not dead by then is not killed but outlived */
#define QUIET_LOOKS 2     /* in a row that find nothing: processes move while they are counted */

struct supervisor {
    const struct mr_supervisor_options *options;
    pid_t worker;
    bool has_ended;
    int signal_fd;
    struct mr_supervisor_report report;
};

static void pause_ns(long ns) {
    struct timespec pause = {.tv_nsec = ns};
    nanosleep(&pause, NULL);
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

/* Kills what the job started, the worker too where `spared` is 0; returns how many still lived. */
static size_t kill_once(const struct supervisor *supervisor, pid_t spared) {
    size_t alive = mr_offspring_kill(getpid(), spared);
    const char *const *dir = supervisor->options->cgroups;
    for (; dir && *dir; dir++) { /* the same ones, seen from another side */
        alive += mr_cgroup_kill_members(*dir, spared);
    }
    return alive;
}

/* A task is over: kills what it left, and waits until that is gone; false: something stays. A child
 * of the worker that has ended is the worker's to take in. */
static bool sweep(struct supervisor *supervisor) {
    double until = mr_clock_seconds() + SWEEP_SECONDS;
    for (int quiet = 0; quiet < QUIET_LOOKS && !supervisor->has_ended;) {
        bool is_late = mr_clock_seconds() > until;
        (void)reap(supervisor);
        if (kill_once(supervisor, supervisor->worker) == 0) {
            quiet++;
        } else if (is_late) {
            return false;
        } else {
            quiet = 0;
            pause_ns(KILL_PAUSE_NS);
        }
    }
    return true;
}

/* Ends everything. */
static void kill_all(struct supervisor *supervisor) {
    const char *const *dir = supervisor->options->cgroups;
    for (; dir && *dir; dir++) {
        (void)mr_cgroup_kill(*dir);
    }
    if (!supervisor->has_ended) {                 /* else its number may be another's by now */
        (void)kill(-supervisor->worker, SIGKILL); /* its process group, at one blow */
        (void)kill(supervisor->worker, SIGKILL);
    }
    for (int i = 0; i < KILL_ROUNDS_MAX && reap(supervisor); i++) {
        (void)kill_once(supervisor, 0);
        pause_ns(i < 100 ? KILL_PAUSE_NS : 20 * KILL_PAUSE_NS);
    }
    for (dir = supervisor->options->cgroups; dir && *dir; dir++) {
        mr_cgroup_look(*dir, &supervisor->report.memory_kills, &supervisor->report.peak_bytes);
        (void)mr_cgroup_remove(*dir); /* if not, the engine will */
    }
}

/* Does what the engine asks; false: it is gone, or wants an end, or one is due. */
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
        return sweep(supervisor);
    }
    if (order == MR_SUPERVISOR_ECHO) {
        struct mr_supervisor_report echo = {.magic = MR_SUPERVISOR_ECHOED};
        (void)!send(MR_SUPERVISOR_LIFE_FD, &echo, sizeof echo, MSG_NOSIGNAL);
    } else if (order == MR_SUPERVISOR_TERM && !supervisor->has_ended) {
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

/* In the worker: a session of its own, gone with the supervisor, bounded; false: it is in none, or
 * not in all, of the groups. */
static bool become_worker(const struct mr_supervisor_options *options, pid_t supervisor) {
    bool has_joined = true;
    (void)close(MR_SUPERVISOR_LIFE_FD);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) {
        (void)raise(SIGKILL);
    }
    (void)setsid();
    for (const char *const *dir = options->cgroups; dir && *dir; dir++) {
        has_joined &= mr_cgroup_join(*dir);
    }
    return has_joined;
}

int mr_supervisor_run(const struct mr_supervisor_options *options,
                      struct mr_supervisor_worker *worker, struct mr_error *err) {
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
    worker->is_it = supervisor.worker == 0;
    if (worker->is_it) {
        (void)close(supervisor.signal_fd);
        sigprocmask(SIG_SETMASK, &before, NULL);
        worker->has_joined = become_worker(options, self);
    } else {
        let_go();
        watch(&supervisor);
    }
    return MR_OK;
}
