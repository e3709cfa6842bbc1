/* test_brood: daemons that are ready, die, come back, don't want to end. */
#include "cluster/brood.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_THEN(rest) "echo ready 1.2.3.4:5; " rest
#define SLEEP "exec sleep 1000"

static struct mr_brood_child child_of(const char *name, const char *script) {
    struct mr_brood_child child = {.args = {"-c", script}, .said_fd = -1};
    memcpy(child.name, name, strlen(name) + 1);
    return child;
}

static void open_brood(struct mr_brood *brood, struct mr_brood_child *children, size_t count) {
    struct mr_error err = {0};
    *brood = (struct mr_brood){.program = "/bin/sh", .children = children, .count = count};
    cr_assert_eq(mr_brood_open(brood, &err), 0, "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(mr_brood_start(brood, &children[i], &err), 0, "%s", err.text);
    }
}

static void await_ready(struct mr_brood *brood, const struct mr_brood_child *child) {
    struct mr_error err = {0};
    while (!child->is_ready) {
        cr_assert_eq(mr_brood_wait(brood, &err), 0, "%s", err.text);
    }
}

/* Whether a process is there, and no zombie of ours. */
static bool is_alive(pid_t pid) {
    return kill(pid, 0) == 0;
}

Test(brood, ready_is_heard_and_remembered) {
    struct mr_brood brood;
    struct mr_brood_child children[] = {child_of("master", READY_THEN(SLEEP)),
                                        child_of("mapper-1", READY_THEN(SLEEP))};
    open_brood(&brood, children, 2);
    await_ready(&brood, &children[0]);
    await_ready(&brood, &children[1]);
    cr_assert_str_eq(children[0].address, "1.2.3.4:5");
    pid_t pids[2] = {children[0].pid, children[1].pid};
    mr_brood_end(&brood, 1, 2, 0);
    cr_assert_not(is_alive(pids[1]));
    cr_assert(is_alive(pids[0]), "in order");
    mr_brood_end(&brood, 0, 1, 0);
    cr_assert_not(is_alive(pids[0]));
    mr_brood_close(&brood);
}

static void check_never_ready(bool restarts) {
    struct mr_brood brood;
    struct mr_error err = {0};
    struct mr_brood_child child = child_of("reducer-1", "echo no >&2; exit 2");
    open_brood(&brood, &child, 1);
    brood.restarts = restarts;
    while (!mr_brood_wait(&brood, &err)) {
    }
    cr_assert_eq(err.code, MR_ERR_CLUSTER);
    cr_assert_str_eq(err.text, "reducer-1 ended with status 2 before it was ready");
    mr_brood_end(&brood, 0, 1, 0);
    mr_brood_close(&brood);
}

Test(brood, one_that_is_never_ready_is_the_failure) {
    check_never_ready(false);
    check_never_ready(true);
}

Test(brood, one_that_was_killed_comes_back) {
    struct mr_brood brood;
    struct mr_brood_child child = child_of("mapper-1", READY_THEN(SLEEP));
    open_brood(&brood, &child, 1);
    brood.restarts = true;
    for (unsigned i = 0; i < 3; i++) {
        await_ready(&brood, &child);
        pid_t before = child.pid;
        cr_assert_eq(kill(before, SIGKILL), 0);
        struct mr_error err = {0};
        while (child.pid == before || !child.pid) {
            cr_assert_eq(mr_brood_wait(&brood, &err), 0, "%s", err.text);
        }
        cr_assert_not(is_alive(before));
    }
    await_ready(&brood, &child);
    mr_brood_end(&brood, 0, 1, 0);
    mr_brood_close(&brood);
}

Test(brood, without_restart_the_death_of_a_vital_one_is_the_failure) {
    struct mr_brood brood;
    struct mr_error err = {0};
    struct mr_brood_child children[] = {child_of("master", READY_THEN(SLEEP)),
                                        child_of("mapper-1", READY_THEN(SLEEP))};
    children[0].is_vital = true;
    open_brood(&brood, children, 2);
    await_ready(&brood, &children[0]);
    await_ready(&brood, &children[1]);
    cr_assert_eq(kill(children[1].pid, SIGKILL), 0);
    while (children[1].pid) {
        cr_assert_eq(mr_brood_wait(&brood, &err), 0, "%s", err.text);
    }
    cr_assert_eq(kill(children[0].pid, SIGKILL), 0);
    while (!mr_brood_wait(&brood, &err)) {
    }
    cr_assert_str_eq(err.text, "master was killed (Killed)");
    mr_brood_close(&brood);
}

/* Hears of a death only when it is told it so many times. */
struct hearer {
    unsigned deaf;
    unsigned told;
    const struct mr_brood_child *child;
};

static bool hear_of(void *arg, const struct mr_brood_child *child) {
    struct hearer *hearer = arg;
    hearer->child = child;
    return ++hearer->told > hearer->deaf;
}

Test(brood, a_death_is_told_until_it_is_heard) {
    struct mr_brood brood;
    struct mr_error err = {0};
    struct hearer hearer = {.deaf = 2};
    struct mr_brood_child children[] = {child_of("mapper-1", READY_THEN(SLEEP)),
                                        child_of("mapper-2", READY_THEN(SLEEP))};
    open_brood(&brood, children, 2);
    brood.buried = hear_of;
    brood.arg = &hearer;
    await_ready(&brood, &children[0]);
    await_ready(&brood, &children[1]);
    cr_assert_eq(kill(children[1].pid, SIGKILL), 0);
    while (hearer.told < 3) {
        cr_assert_eq(mr_brood_wait(&brood, &err), 0, "%s", err.text);
        cr_assert_eq(children[1].tell_ms == 0, hearer.told == 3 || children[1].pid);
    }
    cr_assert_eq(hearer.child, &children[1]);
    cr_assert_str_eq(children[1].address, "1.2.3.4:5", "where it was is known still");
    mr_brood_end(&brood, 0, 2, 0);
    cr_assert_eq(hearer.told, 3, "who is ended is not told of");
    mr_brood_close(&brood);
}

Test(brood, one_that_does_not_want_to_end_is_killed) {
    struct mr_brood brood;
    struct mr_brood_child child =
        child_of("mapper-1", "trap '' TERM; echo ready x; while :; do sleep 0.05; done");
    open_brood(&brood, &child, 1);
    await_ready(&brood, &child);
    pid_t pid = child.pid;
    brood.stops = 2; /* Ctrl-C came again: at once */
    mr_brood_end(&brood, 0, 1, 1);
    cr_assert_not(is_alive(pid));
    mr_brood_close(&brood);
}

/* A process with a brood, which is killed: writes the child's number to the pipe. */
static void live_and_tell(int fd) {
    struct mr_brood brood;
    struct mr_brood_child child = child_of("mapper-1", READY_THEN(SLEEP));
    open_brood(&brood, &child, 1);
    await_ready(&brood, &child);
    (void)!write(fd, &child.pid, sizeof child.pid);
    pause();
}

Test(brood, none_survives_it) {
    int fds[2];
    pid_t child = 0;
    cr_assert_eq(pipe(fds), 0);
    pid_t parent = fork();
    if (parent == 0) {
        close(fds[0]);
        live_and_tell(fds[1]);
    }
    close(fds[1]);
    cr_assert_eq(read(fds[0], &child, sizeof child), (ssize_t)sizeof child);
    cr_assert(is_alive(child));
    cr_assert_eq(kill(parent, SIGKILL), 0);
    cr_assert_eq(waitpid(parent, NULL, 0), parent);
    /* Its pipe ends with it, which needs no waiting for the reaper: nobody else has it. */
    struct timespec moment = {.tv_nsec = 1000000};
    for (unsigned i = 0; i < 10000 && is_alive(child); i++) {
        char state[64] = "";
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
        FILE *file = fopen(path, "r");
        bool is_zombie = file && fgets(state, sizeof state, file) && strstr(state, ") Z");
        if (file) {
            fclose(file);
        }
        if (is_zombie) { /* nobody reaps here */
            break;
        }
        nanosleep(&moment, NULL);
        cr_assert_lt(i, 9999u, "it lives on");
    }
    close(fds[0]);
}
