/* test_leftovers: what a worker has started is seen, whatever it is by then. */
#include "lib/worker/leftovers.h"
#include "tests/unit/test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000

#ifdef __has_feature
#define MR_HAS_FEATURE(name) __has_feature(name)
#else
#define MR_HAS_FEATURE(name) 0
#endif

/* What a worker is told, byte by byte. */
enum { FORK = 'f', REAP = 'r', THREAD = 't', JOIN = 'j', ORPHAN = 'o' };

static void *wait_in_thread(void *arg) {
    char byte;
    (void)!read(*(int *)arg, &byte, 1);
    return NULL;
}

/* It ends with the worker. */
static void start_orphan(const int held[2]) {
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            char byte;
            (void)close(held[1]);
            (void)!read(held[0], &byte, 1);
        }
        _exit(0);
    }
    (void)waitpid(child, NULL, 0);
}

/* A worker that does as it is told, and answers with a byte when it has. */
static void be_worker(int orders, int answers) {
    int held[2];
    char order;
    pthread_t thread;
    pid_t child = 0;
    if (pipe(held)) {
        _exit(1);
    }
    while (read(orders, &order, 1) == 1) {
        if (order == FORK && (child = fork()) == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            pause();
        } else if (order == REAP) {
            (void)kill(child, SIGKILL);
            (void)waitpid(child, NULL, 0);
        } else if (order == THREAD) {
            (void)pthread_create(&thread, NULL, wait_in_thread, &held[0]);
        } else if (order == JOIN) {
            (void)!write(held[1], "", 1);
            (void)pthread_join(thread, NULL);
        } else if (order == ORPHAN) {
            start_orphan(held);
        }
        (void)!write(answers, &order, 1);
    }
    _exit(0);
}

/* A supervisor that does nothing, and its worker. */
struct scene {
    pid_t supervisor;
    int orders;
    int answers;
    struct mr_leftovers leftovers;
};

static void begin(struct scene *scene) {
    int orders[2];
    int answers[2];
    char byte;
#if defined(__SANITIZE_THREAD__) || MR_HAS_FEATURE(thread_sanitizer)
    cr_skip_test("the sanitizer has a thread of its own in each process");
#endif
    cr_assert_eq(pipe(orders), 0);
    cr_assert_eq(pipe(answers), 0);
    *scene = (struct scene){.leftovers = MR_LEFTOVERS_UNKNOWN};
    scene->supervisor = fork();
    if (scene->supervisor == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
        if (fork() == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            (void)close(orders[1]);
            (void)!write(answers[1], "", 1);
            be_worker(orders[0], answers[1]);
        }
        pause();
    }
    scene->orders = orders[1];
    scene->answers = answers[0];
    cr_assert_eq(read(scene->answers, &byte, 1), 1);
}

static void tell(const struct scene *scene, char order) {
    char byte;
    cr_assert_eq(write(scene->orders, &order, 1), 1);
    cr_assert_eq(read(scene->answers, &byte, 1), 1);
    cr_assert_eq(byte, order);
}

static bool are_none(struct scene *scene) {
    return mr_leftovers_are_none(&scene->leftovers, scene->supervisor);
}

/* A thread that was joined is listed until the kernel is done with it. */
static bool become_none(struct scene *scene) {
    for (unsigned i = 0; i < PATIENCE_MS && !are_none(scene); i++) {
        usleep(1000);
    }
    return are_none(scene);
}

static void end(struct scene *scene) {
    mr_leftovers_close(&scene->leftovers);
    cr_assert_eq(kill(scene->supervisor, SIGKILL), 0);
    cr_assert_eq(waitpid(scene->supervisor, NULL, 0), scene->supervisor);
}

Test(leftovers, children_and_threads_are_seen) {
    struct scene scene;
    begin(&scene);
    cr_assert(are_none(&scene));
    tell(&scene, FORK);
    cr_assert_not(are_none(&scene));
    tell(&scene, REAP);
    cr_assert(are_none(&scene));
    tell(&scene, THREAD); /* whose children stand in another list */
    cr_assert_not(are_none(&scene));
    tell(&scene, JOIN);
    cr_assert(become_none(&scene));
    end(&scene);
}

Test(leftovers, orphans_are_seen) {
    struct scene scene;
    begin(&scene);
    cr_assert(are_none(&scene));
    tell(&scene, ORPHAN);
    cr_assert_not(are_none(&scene));
    end(&scene);
}

/* Nothing is said of what was not there to be looked at from the beginning. */
Test(leftovers, what_is_there_at_first_is_seen) {
    struct scene scene;
    begin(&scene);
    tell(&scene, ORPHAN);
    cr_assert_not(are_none(&scene));
    cr_assert_not(are_none(&scene));
    end(&scene);
}

Test(leftovers, who_is_gone_has_not_none) {
    struct mr_leftovers leftovers = MR_LEFTOVERS_UNKNOWN;
    pid_t gone = fork();
    if (gone == 0) {
        _exit(0);
    }
    cr_assert_eq(waitpid(gone, NULL, 0), gone);
    cr_assert_not(mr_leftovers_are_none(&leftovers, gone));
    mr_leftovers_close(&leftovers);
}
