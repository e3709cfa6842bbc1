/* cursor: steps through the records of one run, within one partition and key range. */
#ifndef MR_RECORD_CURSOR_H
#define MR_RECORD_CURSOR_H

#include "lib/record/run.h"

/* Keys whose prefix p has `from` <= p < `to`; without `bounded`, every key. */
struct mr_key_range {
    bool bounded_below;
    bool bounded_above;
    struct mr_prefix from;
    struct mr_prefix to;
};

/* In the caller's storage, where it stays: the key's view may be of the cursor itself. Views are
 * valid until the next step. */
struct mr_cursor {
    struct mr_prefix prefix; /* of key; all ones at the end */
    struct mr_bytes key;
    struct mr_bytes value;
    bool at_end;
    bool bounded_above; /* this block may hold keys beyond the range */
    const char *at;
    const char *end;
    const struct mr_run *run;
    size_t block; /* the next one to enter */
    size_t block_end;
    struct mr_key_range range;
    char *buffer; /* for blocks on disk */
    size_t kept;  /* the next key may share so many bytes of: */
    char last[MR_RUN_SHARED_MAX + 1 + MR_RUN_SLACK];
};

/* Stands before the first record of the range; step to it. Cursors of one run are independent of
 * each other: any thread may have its own. */
MR_MUST_USE int mr_cursor_open(struct mr_cursor *cursor, const struct mr_run *run,
                               uint32_t partition, const struct mr_key_range *range,
                               struct mr_error *err);
/* Steps to the next record; at_end tells whether there was one. */
MR_MUST_USE int mr_cursor_step(struct mr_cursor *cursor, struct mr_error *err);
/* Harmless on a zeroed cursor. */
void mr_cursor_close(struct mr_cursor *cursor);

/* The blocks of a partition in which keys of the range can lie: [*begin, *end). */
void mr_cursor_blocks(const struct mr_run *run, uint32_t partition,
                      const struct mr_key_range *range, size_t *begin, size_t *end);

#endif
