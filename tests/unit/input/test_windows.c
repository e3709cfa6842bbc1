/* test_windows: windows are taken up to the limit, waited for beyond it, and count in the pool. */
#include "lib/input/windows.h"

#include "tests/unit/test.h"
#include <unistd.h>

#define LIMIT 100

/* One who takes 60 bytes in a thread of its own. */
struct taker {
    struct mr_windows *windows;
    atomic_bool has;
    atomic_bool stop;
    int status;
    struct mr_error err;
};

static void *take_sixty(void *arg) {
    struct taker *taker = arg;
    taker->status = mr_windows_take(taker->windows, 60, true, &taker->stop, &taker->err);
    atomic_store(&taker->has, true);
    return NULL;
}

static void open_windows(struct mr_windows *windows) {
    struct mr_pool *pool;
    struct mr_error err = {0};
    cr_assert_eq(mr_pool_create(&pool, &err), 0);
    mr_windows_init(windows, pool, LIMIT);
}

static void close_windows(struct mr_windows *windows) {
    cr_assert_eq(windows->taken, (uint64_t)0);
    cr_assert_eq(mr_pool_bytes(windows->pool), (size_t)0);
    mr_pool_destroy(windows->pool);
    mr_windows_fini(windows);
}

Test(windows, count_in_the_pool) {
    struct mr_windows windows;
    struct mr_error err = {0};
    open_windows(&windows);
    cr_assert_eq(mr_windows_take(&windows, 40, true, NULL, &err), 0);
    cr_assert_eq(mr_windows_take(&windows, 60, true, NULL, &err), 0);
    cr_assert_eq(mr_pool_bytes(windows.pool), (size_t)100);
    mr_windows_give(&windows, 40);
    cr_assert_eq(mr_pool_bytes(windows.pool), (size_t)60);
    mr_windows_give(&windows, 60);
    close_windows(&windows);
}

Test(windows, wait_until_there_is_room) {
    struct mr_windows windows;
    struct taker taker = {.windows = &windows};
    pthread_t thread;
    open_windows(&windows);
    cr_assert_eq(mr_windows_take(&windows, 60, true, NULL, &taker.err), 0);
    cr_assert_eq(pthread_create(&thread, NULL, take_sixty, &taker), 0);
    usleep(50000);
    cr_assert(!atomic_load(&taker.has), "120 of 100");
    mr_windows_give(&windows, 60);
    pthread_join(thread, NULL);
    cr_assert_eq(taker.status, 0);
    mr_windows_give(&windows, 60);
    close_windows(&windows);
}

Test(windows, wait_no_longer_than_until_the_stop) {
    struct mr_windows windows;
    struct taker taker = {.windows = &windows};
    pthread_t thread;
    open_windows(&windows);
    cr_assert_eq(mr_windows_take(&windows, 60, true, NULL, &taker.err), 0);
    cr_assert_eq(pthread_create(&thread, NULL, take_sixty, &taker), 0);
    atomic_store(&taker.stop, true);
    pthread_join(thread, NULL);
    cr_assert_eq(taker.status, MR_ERR_INTERRUPTED);
    mr_windows_give(&windows, 60);
    close_windows(&windows);
}

Test(windows, do_not_wait_where_that_could_be_for_each_other) {
    struct mr_windows windows;
    struct mr_error err = {0};
    open_windows(&windows);
    cr_assert_eq(mr_windows_take(&windows, 60, true, NULL, &err), 0);
    cr_assert_eq(mr_windows_take(&windows, 60, false, NULL, &err), 0);
    mr_windows_give(&windows, 60);
    mr_windows_give(&windows, 60);
    close_windows(&windows);
}
