/* runner: runs a test file's tests inside one process and reports them. */
#include "tests/unit/test.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

enum outcome { PASSED, FAILED, SKIPPED, OUTCOMES };

static struct mr_test *first;
static struct mr_test *last;

static pthread_t test_thread;
static jmp_buf test_end;
static atomic_int test_outcome;

void mr_runner_add(struct mr_test *test) {
    if (last != NULL) {
        last->next = test;
    } else {
        first = test;
    }
    last = test;
}

/* Leaves the test, or the thread that the test started. */
__attribute__((noreturn)) static void leave(void) {
    if (pthread_equal(pthread_self(), test_thread)) {
        longjmp(test_end, 1);
    }
    pthread_exit(NULL);
}

void mr_runner_fail(const char *file, int line, const char *condition, const char *format, ...) {
    va_list args;
    va_start(args, format);
    flockfile(stdout);
    printf("# %s:%d: expected: %s;", file, line, condition);
    vprintf(format, args);
    putchar('\n');
    funlockfile(stdout);
    va_end(args);
    atomic_store(&test_outcome, FAILED);
    leave();
}

void mr_runner_skip(const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("# skipped:");
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    atomic_store(&test_outcome, SKIPPED);
    leave();
}

static enum outcome run_test(const struct mr_test *test) {
    atomic_store(&test_outcome, PASSED);
    if (setjmp(test_end) == 0) {
        test->body();
    }
    return (enum outcome)atomic_load(&test_outcome);
}

int main(void) {
    static const char *const words[OUTCOMES] = {"ok", "not ok", "ok # skipped"};
    unsigned counts[OUTCOMES] = {0};
    test_thread = pthread_self();
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (const struct mr_test *test = first; test != NULL; test = test->next) {
        enum outcome outcome = run_test(test);
        counts[outcome]++;
        printf("%s %s/%s\n", words[outcome], test->suite, test->name);
    }
    printf("%u passed, %u failed, %u skipped\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
    return counts[FAILED] != 0;
}
