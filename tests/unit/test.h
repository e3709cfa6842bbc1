/* test: Criterion's macros, by Criterion itself or by a runner inside the test's own process.
 *
 * Criterion runs each test in a forked child. Its binaries die under TSan, and what a sanitizer or
 * valgrind says inside such a child is not counted. So builds with a sanitizer define
 * MR_TEST_IN_PROCESS and link runner.c, which calls the tests one after the other in one process. A
 * test uses the macros defined below, nothing else of Criterion: Test, the cr_assert family,
 * cr_skip_test. */
#ifndef MR_TESTS_UNIT_TEST_H
#define MR_TESTS_UNIT_TEST_H

/* From one seed to the next where a test has one thread and many seeds: there is nothing in it for
 * ThreadSanitizer, which is slow. */
#ifdef __SANITIZE_THREAD__
#define MR_TEST_STRIDE 10
#else
#define MR_TEST_STRIDE 1
#endif

/* The first in a build as released, the second with sanitizers, which are slow: there the path is
 * gone once, and not as often as it takes to see that it is fast. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MR_TEST_FEWER(full, few) (few)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MR_TEST_FEWER(full, few) (few)
#endif
#endif
#ifndef MR_TEST_FEWER
#define MR_TEST_FEWER(full, few) (full)
#endif

#ifndef MR_TEST_IN_PROCESS

#include <criterion/criterion.h>

#else

#include <stddef.h>
#include <string.h>

/* One test; registered before main by its constructor function, in the order of the file. */
struct mr_test {
    const char *suite;
    const char *name;
    void (*body)(void);
    struct mr_test *next;
};

/* Adds a test to the run; `test` stays the caller's and must live until the process ends. */
void mr_runner_add(struct mr_test *test);

/* Ends the current test as failed, with a sentence. Called from a thread that the test started, it
 * marks the test as failed and ends that thread only. */
__attribute__((noreturn, format(printf, 4, 5))) void mr_runner_fail(const char *file, int line,
                                                                    const char *condition,
                                                                    const char *format, ...);

/* Ends the current test as skipped. Only from the thread that runs the tests. */
__attribute__((noreturn, format(printf, 1, 2))) void mr_runner_skip(const char *format, ...);

#define Test(suite, name)                                                                          \
    static void suite##_##name##_body(void);                                                       \
    static struct mr_test suite##_##name##_row = {#suite, #name, suite##_##name##_body, NULL};     \
    __attribute__((constructor)) static void suite##_##name##_add(void) {                          \
        mr_runner_add(&suite##_##name##_row);                                                      \
    }                                                                                              \
    static void suite##_##name##_body(void)

/* The blank before the format keeps a call without one legal. */
#define MR_TEST_ASSERT(condition, text, ...)                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            mr_runner_fail(__FILE__, __LINE__, text, " " __VA_ARGS__);                             \
        }                                                                                          \
    } while (0)

#define cr_assert(condition, ...) MR_TEST_ASSERT((condition), #condition, __VA_ARGS__)
#define cr_assert_not(condition, ...)                                                              \
    MR_TEST_ASSERT(!(condition), "not (" #condition ")", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) MR_TEST_ASSERT((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) MR_TEST_ASSERT((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) MR_TEST_ASSERT((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) MR_TEST_ASSERT((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) MR_TEST_ASSERT((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) MR_TEST_ASSERT((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(a, ...) MR_TEST_ASSERT((a) == NULL, #a " is NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...) MR_TEST_ASSERT((a) != NULL, #a " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)                                                                \
    MR_TEST_ASSERT(strcmp((a), (b)) == 0, #a " is the text " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)                                                               \
    MR_TEST_ASSERT(strcmp((a), (b)) != 0, #a " is not the text " #b, __VA_ARGS__)
#define cr_assert_fail(...) mr_runner_fail(__FILE__, __LINE__, "not reached", " " __VA_ARGS__)
#define cr_skip_test(...) mr_runner_skip(" " __VA_ARGS__)

#endif
#endif
