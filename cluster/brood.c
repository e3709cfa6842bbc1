/* brood: daemons as child processes: started, listened to, started again, ended in order. */
#include "cluster/brood.h"

#include "cli/say.h"
#include "lib/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS_FIRST 20
#define PAUSE_MS_MOST 2000
#define GOOD_MS 5000 /* a child that lived so long is started again without much ado */
#define READY "ready "
#define TERM_AGAIN_MS 1000
#define KILL_MS 3000
#define TELL_AGAIN_MS 1000

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- start ------------------------------------------------------------------------------------*/

static void own_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

int mr_brood_open(struct mr_brood *brood, struct mr_error *err) {
    sigset_t set;
    own_signals(&set);
    brood->signal_fd = -1;
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
        (brood->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "catch signals");
    }
    return MR_OK;
}

void mr_brood_close(struct mr_brood *brood) {
    sigset_t set;
    own_signals(&set);
    if (brood->signal_fd >= 0) {
        (void)close(brood->signal_fd); /* nothing was written */
        brood->signal_fd = -1;
    }
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* In the child: becomes the daemon. Returns where that fails. */
static void become(const struct mr_brood *brood, const struct mr_brood_child *child, pid_t parent,
                   int said_fd) {
    sigset_t none;
    sigemptyset(&none);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || setpgid(0, 0) != 0 ||
        null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(said_fd, STDOUT_FILENO) < 0 ||
        dup2(said_fd, STDERR_FILENO) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) != 0) {
        return;
    }
    const char *argv[MR_BROOD_ARGS_MAX + 2] = {"millrace"};
    memcpy(argv + 1, child->args, sizeof child->args);
    execv(brood->program, (char *const *)argv);
}

int mr_brood_start(struct mr_brood *brood, struct mr_brood_child *child, struct mr_error *err) {
    int said[2];
    pid_t parent = getpid();
    if (pipe2(said, O_CLOEXEC) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "start %s", child->name);
    }
    pid_t pid = fork();
    if (pid == 0) {
        become(brood, child, parent, said[1]);
        (void)kill(getpid(), SIGKILL); /* the parent says that it ended */
    }
    (void)close(said[1]); /* the child's */
    if (pid < 0) {
        (void)close(said[0]);
        return mr_error_errno(err, MR_ERR_IO, errno, "start %s", child->name);
    }
    (void)fcntl(said[0], F_SETFL, O_NONBLOCK);
    child->pid = pid;
    child->said_fd = said[0];
    child->len = 0;
    child->is_ready = false;
    child->again_ms = 0;
    child->started_ms = now_ms();
    return MR_OK;
}

/* ---- what they say ----------------------------------------------------------------------------*/

/* Daemons begin their lines with "millrace ROLE: ": which of them it is says more. */
static const char *skip_role(const struct mr_brood_child *child, const char *line) {
    char role[MR_BROOD_NAME_MAX + 16];
    int len = snprintf(role, sizeof role, "millrace %s: ", child->args[0]);
    return strncmp(line, role, (size_t)len) == 0 ? line + len : line;
}

static void take_line(struct mr_brood_child *child, const char *line) {
    char shown[MR_BROOD_LINE_MAX + MR_BROOD_NAME_MAX + 4];
    if (strncmp(line, READY, strlen(READY)) == 0) {
        snprintf(child->address, sizeof child->address, "%s", line + strlen(READY));
        child->is_ready = true;
        child->was_ready = true;
        return;
    }
    snprintf(shown, sizeof shown, "%s: %s\n", child->name, skip_role(child, line));
    mr_say_text(shown);
}

/* Takes lines out of what has come; one that is longer than its room is cut in pieces. */
static void take_lines(struct mr_brood_child *child, bool is_end) {
    char *end;
    child->line[child->len] = '\0';
    while ((end = memchr(child->line, '\n', child->len)) ||
           (child->len > 0 && (is_end || child->len == sizeof child->line - 1))) {
        size_t len = end ? (size_t)(end - child->line) : child->len;
        size_t used = end ? len + 1 : len;
        child->line[len] = '\0';
        take_line(child, child->line);
        memmove(child->line, child->line + used, child->len - used);
        child->len -= used;
        child->line[child->len] = '\0';
    }
}

static void listen_to(struct mr_brood_child *child) {
    ssize_t got = 1;
    while (child->said_fd >= 0 && got > 0) {
        got = read(child->said_fd, child->line + child->len, sizeof child->line - 1 - child->len);
        if (got > 0) {
            child->len += (size_t)got;
            take_lines(child, false);
        } else if (got == 0) {
            take_lines(child, true);
            (void)close(child->said_fd); /* nothing was written */
            child->said_fd = -1;
        } else if (errno == EINTR) {
            got = 1;
        }
    }
}

/* ---- their ends -------------------------------------------------------------------------------*/

static void describe_end(const struct mr_brood_child *child, int how, char *out, size_t size) {
    if (WIFSIGNALED(how)) {
        snprintf(out, size, "%s was killed (%s)", child->name, strsignal(WTERMSIG(how)));
    } else {
        snprintf(out, size, "%s ended with status %d", child->name, WEXITSTATUS(how));
    }
}

/* A child is no more: plans its new start, or fails. */
static int bury(struct mr_brood *brood, struct mr_brood_child *child, int how,
                struct mr_error *err) {
    char words[128];
    uint64_t now = now_ms();
    listen_to(child);
    if (child->said_fd >= 0) { /* a child of the child has it still */
        (void)close(child->said_fd);
        child->said_fd = -1;
    }
    child->pid = 0;
    describe_end(child, how, words, sizeof words);
    if (brood->is_ending) {
        return MR_OK;
    }
    bool may_again = brood->restarts && (child->was_ready || WIFSIGNALED(how));
    if (child->is_ready && !may_again && brood->buried) {
        child->tell_ms = now;
    }
    child->is_ready = false;
    if (!may_again && child->was_ready && !child->is_vital) {
        mr_say_text(words);
        mr_say_text("\n");
        return MR_OK;
    }
    if (!may_again) {
        brood->failure = WIFEXITED(how) ? WEXITSTATUS(how) : 0;
        return mr_error_set(err, MR_ERR_CLUSTER, "%s%s", words,
                            child->was_ready ? "" : " before it was ready");
    }
    bool was_good = now - child->started_ms >= GOOD_MS || child->pause_ms == 0;
    child->pause_ms = was_good ? PAUSE_MS_FIRST : 2 * child->pause_ms;
    child->pause_ms = child->pause_ms < PAUSE_MS_MOST ? child->pause_ms : PAUSE_MS_MOST;
    child->again_ms = now + child->pause_ms;
    mr_say_text(words);
    mr_say_text(": it is started again\n");
    return MR_OK;
}

static int bury_all(struct mr_brood *brood, struct mr_error *err) {
    int how;
    pid_t pid;
    while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
        for (size_t i = 0; i < brood->count; i++) {
            if (brood->children[i].pid == pid) {
                struct mr_error why = {0};
                if (bury(brood, &brood->children[i], how, &why) && !err->code) {
                    *err = why;
                }
            }
        }
    }
    return err->code;
}

/* Signals that came. SIGCHLD may stand for several. */
static void take_signals(struct mr_brood *brood) {
    struct signalfd_siginfo info;
    while (read(brood->signal_fd, &info, sizeof info) == sizeof info) {
        brood->stops += info.ssi_signo != SIGCHLD;
    }
}

static int start_again(struct mr_brood *brood, struct mr_error *err) {
    uint64_t now = now_ms();
    for (size_t i = 0; i < brood->count && !err->code; i++) {
        struct mr_brood_child *child = &brood->children[i];
        if (child->again_ms && child->again_ms <= now) {
            (void)!mr_brood_start(brood, child, err);
        }
    }
    return err->code;
}

static void tell_deaths(struct mr_brood *brood) {
    for (size_t i = 0; i < brood->count; i++) {
        struct mr_brood_child *child = &brood->children[i];
        if (child->tell_ms && child->tell_ms <= now_ms()) {
            bool is_told = brood->buried(brood->arg, child);
            child->tell_ms = is_told ? 0 : now_ms() + TELL_AGAIN_MS;
        }
    }
}

/* How long nothing is to be done, in milliseconds; -1: for ever. */
static int idle_ms(const struct mr_brood *brood) {
    uint64_t now = now_ms();
    int least = -1;
    for (size_t i = 0; i < brood->count; i++) {
        const uint64_t times[] = {brood->children[i].again_ms, brood->children[i].tell_ms};
        for (size_t j = 0; j < sizeof times / sizeof *times; j++) {
            int left = times[j] > now ? (int)(times[j] - now) : 0;
            least = times[j] && (least < 0 || left < least) ? left : least;
        }
    }
    return least;
}

/* Waits for signals and words, at most so long. */
static int hear(struct mr_brood *brood, int timeout_ms, struct mr_error *err) {
    struct pollfd *fds = calloc(brood->count + 1, sizeof *fds);
    if (!fds) {
        return mr_error_nomem(err, "waiting for daemons");
    }
    for (size_t i = 0; i < brood->count; i++) {
        const struct mr_brood_child *child = &brood->children[i];
        bool hears = child->pid || child->said_fd > 0;
        fds[i] = (struct pollfd){.fd = hears ? child->said_fd : -1, .events = POLLIN};
    }
    fds[brood->count] = (struct pollfd){.fd = brood->signal_fd, .events = POLLIN};
    int ready = poll(fds, brood->count + 1, timeout_ms);
    if (ready < 0 && errno != EINTR) {
        mr_error_errno(err, MR_ERR_IO, errno, "wait for daemons");
    }
    for (size_t i = 0; i < brood->count && ready > 0; i++) {
        if (fds[i].revents) {
            listen_to(&brood->children[i]);
        }
    }
    take_signals(brood);
    free(fds);
    return err->code;
}

int mr_brood_wait(struct mr_brood *brood, struct mr_error *err) {
    if (!hear(brood, idle_ms(brood), err) && !bury_all(brood, err) && !start_again(brood, err)) {
        tell_deaths(brood);
    }
    return err->code;
}

static void signal_all(struct mr_brood *brood, size_t first, size_t count, int signal_number) {
    for (size_t i = first; i < count; i++) {
        brood->children[i].again_ms = 0;
        if (brood->children[i].pid) {
            (void)kill(brood->children[i].pid, signal_number);
        }
    }
}

static bool is_any_left(const struct mr_brood *brood, size_t first, size_t count) {
    bool is_any = false;
    for (size_t i = first; i < count; i++) {
        is_any |= brood->children[i].pid != 0;
    }
    return is_any;
}

void mr_brood_end(struct mr_brood *brood, size_t first, size_t count, unsigned stops) {
    static const struct {
        uint64_t at_ms;
        int signal_number;
    } steps[] = {{0, SIGTERM}, {TERM_AGAIN_MS, SIGTERM}, {KILL_MS, SIGKILL}};
    uint64_t began = now_ms();
    size_t step = 0;
    brood->is_ending = true;
    while (is_any_left(brood, first, count)) {
        struct mr_error ignored = {0};
        uint64_t passed = now_ms() - began;
        if (brood->stops > stops && step < 3) { /* Ctrl-C again: at once */
            signal_all(brood, first, count, SIGKILL);
            step = 3;
        } else if (step < 3 && passed >= steps[step].at_ms) {
            signal_all(brood, first, count, steps[step].signal_number);
            step++;
        }
        uint64_t next = step < 3 && steps[step].at_ms > passed ? steps[step].at_ms - passed : 100;
        (void)!hear(brood, (int)next, &ignored);
        (void)!bury_all(brood, &ignored); /* that they end is what is wanted */
    }
}
