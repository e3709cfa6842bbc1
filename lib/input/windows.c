/* windows: lets decoders with large windows take turns, so that together they stay in bounds. */
#include "lib/input/windows.h"

#include "lib/base/error.h"

#include <time.h>

#define STOP_CHECK_MS 100

void mr_windows_init(struct mr_windows *windows, struct mr_pool *pool, uint64_t limit) {
    *windows = (struct mr_windows){.pool = pool, .limit = limit};
    pthread_condattr_t monotonic;
    pthread_mutex_init(&windows->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&windows->given, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void mr_windows_fini(struct mr_windows *windows) {
    pthread_cond_destroy(&windows->given);
    pthread_mutex_destroy(&windows->lock);
}

/* With the lock held: waits until somebody gives, or a tenth of a second. */
static void wait_a_little(struct mr_windows *windows) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += STOP_CHECK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_cond_timedwait(&windows->given, &windows->lock, &until);
}

int mr_windows_take(struct mr_windows *windows, uint64_t bytes, bool waits, const atomic_bool *stop,
                    struct mr_error *err) {
    int status = MR_OK;
    pthread_mutex_lock(&windows->lock);
    while (!status && waits && windows->taken && windows->taken + bytes > windows->limit) {
        if (stop && atomic_load(stop)) {
            status = mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
        } else {
            wait_a_little(windows);
        }
    }
    windows->taken += status ? 0 : bytes;
    pthread_mutex_unlock(&windows->lock);
    if (!status) {
        mr_pool_count(windows->pool, bytes);
    }
    return status;
}

void mr_windows_give(struct mr_windows *windows, uint64_t bytes) {
    mr_pool_uncount(windows->pool, bytes);
    pthread_mutex_lock(&windows->lock);
    windows->taken -= bytes;
    pthread_cond_broadcast(&windows->given);
    pthread_mutex_unlock(&windows->lock);
}
