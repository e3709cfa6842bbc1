/* outlet: where output goes: the part of an attempt, or the caller's stream. */
#ifndef MR_COMMON_OUTLET_H
#define MR_COMMON_OUTLET_H

#include "lib/output/commit.h"
#include "lib/output/part.h"

struct mr_outlet_source {
    struct mr_commit *commit; /* NULL: output goes to output_fd */
    int output_fd;
    const atomic_bool *stop; /* ends a wait for the stream's reader */
};

/* In the caller's storage; begin with MR_OUTLET_CLOSED. One thread at a time. */
struct mr_outlet {
    struct mr_part part;
    int dir_fd; /* of the attempt, or -1 */
};
#define MR_OUTLET_CLOSED ((struct mr_outlet){.part = {.fd = -1}, .dir_fd = -1})

/* Opens the part of an attempt at a partition, or the stream. Close it in any case. */
MR_MUST_USE int mr_outlet_open(struct mr_outlet *outlet, const struct mr_outlet_source *source,
                               uint32_t partition, uint32_t attempt, struct mr_error *err);
/* Makes what was written durable and stores its size and checksum; `done` is left alone where the
 * output is a stream. */
MR_MUST_USE int mr_outlet_finish(struct mr_outlet *outlet, uint64_t records,
                                 struct mr_run_part *done, struct mr_error *err);
/* Closes, also what was never opened. A failure counts unless the attempt has failed anyway. */
MR_MUST_USE int mr_outlet_close(struct mr_outlet *outlet, struct mr_error *err);

/* Writes a file that holds a part to the stream. */
MR_MUST_USE int mr_outlet_copy(const struct mr_outlet_source *source, const char *path,
                               struct mr_error *err);

#endif
