/* spawn: starts a program with nothing open but the ends of what connects it to us. */
#include "lib/worker/spawn.h"

#include "lib/base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPAWN_FD_MIN 16 /* above those that the child gets */

extern char **environ;

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

static int open_log(struct mr_spawn *spawn, struct ends *ends) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC)) {
        return -1;
    }
    spawn->log_fd = fds[0];
    ends->log = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) || raise_fd(&ends->log) ? -1 : 0;
}

static int open_beacon(struct mr_spawn *spawn, struct ends *ends) {
    ends->beacon = memfd_create("millrace-task", MFD_CLOEXEC);
    if (ends->beacon < 0 || raise_fd(&ends->beacon) ||
        ftruncate(ends->beacon, MR_SPAWN_BEACON_BYTES)) {
        return -1;
    }
    void *page =
        mmap(NULL, MR_SPAWN_BEACON_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ends->beacon, 0);
    spawn->beacon = page == MAP_FAILED ? NULL : page;
    return spawn->beacon ? 0 : -1;
}

static int open_ends(struct mr_spawn *spawn, struct ends *ends, struct mr_error *err) {
    ends->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (raise_fd(&ends->null) || open_pair(&spawn->channel_fd, &ends->channel) ||
        open_pair(&spawn->life_fd, &ends->life) || open_log(spawn, ends) ||
        open_beacon(spawn, ends)) {
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

static int run(struct mr_spawn *spawn, const char *program, char *const *args,
               const struct ends *ends, struct mr_error *err) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    int failure = plan_files(&files, ends);
    failure = failure ? failure : plan_attributes(&attributes);
    failure =
        failure ? failure : posix_spawn(&spawn->pid, program, &files, &attributes, args, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (failure) {
        spawn->pid = 0;
        if (failure == ENOMEM) {
            return mr_error_nomem(err, "starting a task process");
        }
        return mr_error_errno(err,
                              failure == ENOENT || failure == EACCES ? MR_ERR_USAGE : MR_ERR_IO,
                              failure, "start \"%s\" as a task process", program);
    }
    return MR_OK;
}

int mr_spawn_start(struct mr_spawn *spawn, const char *program, char *const *args,
                   struct mr_error *err) {
    struct ends ends = {-1, -1, -1, -1, -1};
    *spawn = MR_SPAWN_NONE;
    if (!open_ends(spawn, &ends, err)) {
        (void)!run(spawn, program, args, &ends, err);
    }
    close_ends(&ends);
    return err->code;
}

void mr_spawn_close(struct mr_spawn *spawn) {
    int *const fds[] = {&spawn->channel_fd, &spawn->life_fd, &spawn->log_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0) {
            (void)close(*fds[i]); /* sockets, and a pipe that was read from */
            *fds[i] = -1;
        }
    }
    if (spawn->beacon) {
        munmap(spawn->beacon, MR_SPAWN_BEACON_BYTES);
        spawn->beacon = NULL;
    }
}
