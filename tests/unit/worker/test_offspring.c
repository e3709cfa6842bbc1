/* test_offspring: what a process has started is found and killed: by which thread, and how deep, is
 * no matter. */
#include "lib/worker/offspring.h"

#include "tests/unit/test.h"
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAMILY 4

/* A pipe that all of a family hold: its end is read when the last of them is gone. */
static int pipe_fds[2];

static void stay(void) {
    (void)!write(pipe_fds[1], "x", 1);
    for (;;) {
        pause();
    }
}

static void beget(int depth) {
    if (fork() == 0) {
        if (depth > 1) {
            beget(depth - 1);
        }
        stay();
    }
}

static void *thread_main(void *arg) {
    int *depth = arg;
    beget(*depth);
    for (;;) {
        pause();
    }
    return NULL;
}

/* A child of ours with a family, by another thread of its: its first may have ended. */
static pid_t make_family(bool leaves) {
    static int depth = FAMILY;
    cr_assert_eq(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        (void)pthread_create(&thread, NULL, thread_main, &depth);
        beget(FAMILY);
        if (leaves) {
            pthread_exit(NULL);
        }
        for (;;) {
            pause();
        }
    }
    close(pipe_fds[1]);
    char byte;
    for (int i = 0; i < 2 * FAMILY; i++) {
        cr_assert_eq(read(pipe_fds[0], &byte, 1), 1);
    }
    return child;
}

/* Takes in what became ours, until two looks in a row find nothing. */
static void kill_all(pid_t spared) {
    for (int quiet = 0; quiet < 2;) {
        quiet = mr_offspring_kill(getpid(), spared) ? 0 : quiet + 1;
        int status;
        pid_t got;
        while ((got = waitpid(-1, &status, WNOHANG)) > 0) {
            cr_assert_neq(got, spared);
        }
    }
}

static void expect_spared(bool leaves) {
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t child = make_family(leaves);
    kill_all(child);
    cr_assert_eq(waitpid(child, NULL, WNOHANG), 0, "it was spared");
    kill_all(0);
    char byte;
    cr_assert_eq(read(pipe_fds[0], &byte, 1), 0); /* nobody holds it any more */
    cr_assert_eq(waitpid(-1, NULL, 0), (pid_t)-1);
    close(pipe_fds[0]);
}

Test(offspring, of_all_threads_and_depths) {
    expect_spared(false);
}

Test(offspring, of_a_process_whose_first_thread_has_ended) {
    expect_spared(true);
}

/* What has ended and was not taken in yet is nothing to wait for. */
Test(offspring, the_dead_are_not_counted) {
    pid_t child = fork();
    if (child == 0) {
        raise(SIGKILL);
    }
    siginfo_t info;
    cr_assert_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    cr_assert_eq(mr_offspring_kill(getpid(), 0), (size_t)0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
}
