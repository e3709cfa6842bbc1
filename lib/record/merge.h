/* merge: steps through the records of several sorted runs in their common order.
 *
 * A tree of losers (Knuth, TAOCP 3, 5.4.1) over one cursor a run: a step costs about log2(runs)
 * comparisons, nearly all of them decided by the first 16 key bytes that each cursor keeps as two
 * numbers.
 *
 * The order is total: by the job's comparator where there is one, then by key bytes (a prefix
 * before its continuation), then, where values carry their place in the input (`placed`), by that
 * place, then by the position of the run in `runs`. Records of equal keys are not folded here. */
#ifndef MR_RECORD_MERGE_H
#define MR_RECORD_MERGE_H

#include "lib/record/cursor.h"

/* How records are ordered. */
struct mr_order {
    int (*compare)(void *arg, struct mr_bytes a, struct mr_bytes b, int *order); /* or NULL */
    void *arg;
    bool placed; /* values begin with 16 bytes of place (fold.h) */
};

struct mr_merge {
    struct mr_cursor *cursors;
    uint32_t *losers; /* losers[0] is the winner */
    uint32_t count;
    bool started;
    struct mr_order order;
    struct mr_error *err; /* of the step under way */
};

/* Opens a merge of one partition and key range of `runs`, which must outlive it (the array need
 * not). Ranges need byte order. */
MR_MUST_USE int mr_merge_open(struct mr_merge *merge, struct mr_run *const *runs, size_t count,
                              uint32_t partition, const struct mr_key_range *range,
                              const struct mr_order *order, struct mr_error *err);

/* Steps to the next record: 1 and the cursor that holds it, valid until the next step; 0 at the
 * end; or a negative status. */
MR_MUST_USE int mr_merge_next(struct mr_merge *merge, const struct mr_cursor **record,
                              struct mr_error *err);

void mr_merge_close(struct mr_merge *merge);

/* Whether two keys are the same bytes, prefixes compared first. */
static inline bool mr_merge_same_key(struct mr_prefix a_prefix, struct mr_bytes a,
                                     struct mr_prefix b_prefix, struct mr_bytes b) {
    return a_prefix.hi == b_prefix.hi && a_prefix.lo == b_prefix.lo && a.len == b.len &&
           (a.len <= 16 || memcmp(a.data + 16, b.data + 16, a.len - 16) == 0);
}

#endif
