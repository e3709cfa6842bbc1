/* test_blobs: blobs that come in pieces, and what a sweep leaves. */
#include "../test.h"
#include "lib/worker/blobs.h"
#include <stdlib.h>
#include <unistd.h>

static bool is_needed(void *arg, struct mr_hash_128 hash) {
    const struct mr_hash_128 *kept = arg;
    return kept->high == hash.high && kept->low == hash.low;
}

Test(blobs, a_sweep_leaves_what_is_needed_and_what_is_coming) {
    char dir[] = "/tmp/millrace-blobs-XXXXXX";
    struct mr_blobs *blobs = NULL;
    struct mr_error err = {0};
    struct mr_hash_128 kept, other;
    struct mr_hash_128 coming = mr_hash_xxh3_128("coming", 6);
    bool is_whole = false;
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(mr_blobs_open(dir, false, &blobs, &err), 0, "%s", err.text);
    cr_assert_eq(mr_blobs_put(blobs, (struct mr_bytes){"kept", 4}, &kept, &err), 0);
    cr_assert_eq(mr_blobs_put(blobs, (struct mr_bytes){"other", 5}, &other, &err), 0);
    cr_assert_eq(mr_blobs_take(blobs, coming, 6, 0, (struct mr_bytes){"com", 3}, &is_whole, &err),
                 0);
    mr_blobs_sweep(blobs, is_needed, &kept);
    cr_assert(mr_blobs_has(blobs, kept));
    cr_assert(!mr_blobs_has(blobs, other));
    cr_assert_eq(mr_blobs_take(blobs, coming, 6, 3, (struct mr_bytes){"ing", 3}, &is_whole, &err),
                 0, "%s", err.text);
    cr_assert(is_whole);
    cr_assert(mr_blobs_has(blobs, coming));
    mr_blobs_remove(blobs, coming);
    mr_blobs_remove(blobs, kept);
    mr_blobs_close(blobs);
    cr_assert_eq(rmdir(dir), 0, "something is left");
}
