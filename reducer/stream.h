/* stream: the records of a partition in order, those of one key folded into one.
 *
 * Looks one record ahead: `head` is the next record of the merge, not yet taken. */
#ifndef MR_REDUCER_STREAM_H
#define MR_REDUCER_STREAM_H

#include "lib/record/run_store.h"

/* In the caller's storage. */
struct mr_stream {
    struct mr_merge merge;
    struct mr_fold fold;
    enum mr_value kind;
    const struct mr_cursor *head; /* NULL: nothing more */
    struct mr_buffer key;         /* of the record last taken */
    struct mr_prefix prefix;
    struct mr_bytes value; /* of MR_VALUES and folded bytes; encoded (fold.h) */
    uint64_t u64;          /* of u64 kinds, instead */
    bool steps_first;      /* the record taken is still the merge's: step before looking ahead */
    uint64_t taken;        /* records of the merge */
};

/* Opens a partition's key range of `runs`. */
MR_MUST_USE int mr_stream_open(struct mr_stream *stream, struct mr_run *const *runs, size_t count,
                               uint32_t partition, const struct mr_key_range *range,
                               const struct mr_record_rules *rules, struct mr_error *err);

/* Looks at the next record's key without taking it: 1, 0 at the end, or a negative status. */
MR_MUST_USE int mr_stream_peek(struct mr_stream *stream, const struct mr_cursor **head,
                               struct mr_error *err);

/* Takes the next record (of folding kinds: all of its key, folded): 1, 0 at the end, or a negative
 * status. */
MR_MUST_USE int mr_stream_take(struct mr_stream *stream, struct mr_error *err);

/* The key last taken. */
static inline struct mr_bytes mr_stream_key(const struct mr_stream *stream) {
    return (struct mr_bytes){stream->key.data, stream->key.len};
}

/* The value last taken, encoded. Valid until the next take. */
MR_MUST_USE int mr_stream_value(struct mr_stream *stream, struct mr_bytes *value,
                                struct mr_error *err);

void mr_stream_close(struct mr_stream *stream);

#endif
