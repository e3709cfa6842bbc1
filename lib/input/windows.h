/* windows: lets decoders with large windows take turns, so that together they stay in bounds. */
#ifndef MR_INPUT_WINDOWS_H
#define MR_INPUT_WINDOWS_H

#include "lib/base/pool.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Of a run; in the caller's storage. What is taken counts in the pool, so that sorted runs leave it
 * room. Any thread. */
struct mr_windows {
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct mr_pool *pool;
    uint64_t limit; /* of all windows at once, and so of one */
    uint64_t taken;
};

void mr_windows_init(struct mr_windows *windows, struct mr_pool *pool, uint64_t limit);
void mr_windows_fini(struct mr_windows *windows);

/* Takes `bytes`, at most `limit`, when others leave room for them; the caller holds no window and
 * no lock that one who holds a window may need. Where it does, `waits` is false: the bytes are
 * taken at once, beyond the limit if need be. MR_ERR_INTERRUPTED once *stop (may be NULL) is true.
 */
MR_MUST_USE int mr_windows_take(struct mr_windows *windows, uint64_t bytes, bool waits,
                                const atomic_bool *stop, struct mr_error *err);
void mr_windows_give(struct mr_windows *windows, uint64_t bytes);

#endif
