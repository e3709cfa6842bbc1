/* account: what an attempt did, as numbers that a journal keeps. */
#ifndef MR_WORKER_ACCOUNT_H
#define MR_WORKER_ACCOUNT_H

#include "lib/base/buffer.h"
#include "lib/job/context.h"
#include "lib/worker/orders.h"

#define MR_ACCOUNT_TABLE(X)                                                                        \
    X(records_read)                                                                                \
    X(records_mapped)                                                                              \
    X(bytes_read)                                                                                  \
    X(emitted)                                                                                     \
    X(combined)       /* while mapping */                                                          \
    X(spilled)        /* bytes */                                                                  \
    X(output_records) /* of a map output */                                                        \
    X(output_bytes)                                                                                \
    X(digest)                                                                                      \
    X(merged) /* pairs folded away between map outputs */                                          \
    X(pairs_reduced)                                                                               \
    X(groups)                                                                                      \
    X(groups_with_output)                                                                          \
    X(groups_without_output)                                                                       \
    X(records_out)                                                                                 \
    X(bytes_out)                                                                                   \
    X(part_bytes) /* of a file in the output */                                                    \
    X(part_xxh3)                                                                                   \
    X(records_skipped) /* from here on since version 2 */                                          \
    X(read_us)         /* in the reader */                                                         \
    X(wait_us)         /* of a reduce task, for its turn to write */                               \
    X(map_us)          /* busy */                                                                  \
    X(reduce_us)

/* Of an attempt, or the sum over a round. Zero-initialise; release with mr_account_fini. */
struct mr_account {
    uint32_t attempt;
#define MR_ACCOUNT_MEMBER(name) uint64_t name;
    MR_ACCOUNT_TABLE(MR_ACCOUNT_MEMBER)
#undef MR_ACCOUNT_MEMBER
    struct mr_counters counters; /* the job's own; names are interned */
};

void mr_account_fini(struct mr_account *account);

/* Fills in the numbers of an attempt that is done; `is_part`: what it wrote is part of the output.
 */
void mr_account_take(struct mr_account *account, const struct mr_orders_result *result,
                     enum mr_phase phase, bool is_part);

/* Adds the job's counters. */
MR_MUST_USE int mr_account_count(struct mr_account *account, const struct mr_counters *counters,
                                 struct mr_error *err);

/* Adds the numbers of one to another; digests and checksums of a sum mean nothing. */
MR_MUST_USE int mr_account_add(struct mr_account *sum, const struct mr_account *account,
                               struct mr_error *err);

/* As bytes, and back (hostile ones too: MR_ERR_INPUT; and those of version 1). A version, then
 * numbers in the order of the table, little-endian, then the counters. */
MR_MUST_USE int mr_account_put(const struct mr_account *account, struct mr_buffer *bytes,
                               struct mr_error *err);
MR_MUST_USE int mr_account_get(struct mr_account *account, const void *bytes, size_t len,
                               struct mr_error *err);

#endif
