/* lanes: lets key ranges be reduced at once and their output still be written in order.
 *
 * Range i writes into a buffer of its own; the bytes go out when all ranges before it have ended. A
 * range that ends before its turn leaves its buffer behind; one that has gathered too much waits.
 * Ranges are claimed in order, so that the first unfinished one never waits and the others always
 * get their turn. */
#ifndef MR_REDUCER_LANES_H
#define MR_REDUCER_LANES_H

#include "lib/base/buffer.h"
#include "lib/output/part.h"

struct mr_lanes; /* opaque; any thread */

/* `part` is borrowed and written by one thread at a time. Beyond `buffered_max` bytes left behind,
 * ranges wait. */
MR_MUST_USE int mr_lanes_create(struct mr_part *part, size_t count, size_t buffered_max,
                                struct mr_lanes **lanes, struct mr_error *err);
void mr_lanes_destroy(struct mr_lanes *lanes);

/* Hands over what a range has written so far: written out and emptied if it is the range's turn;
 * else kept by the caller while it is small, and waited for beyond. Adds the time waited to
 * *wait_seconds. */
MR_MUST_USE int mr_lanes_flush(struct mr_lanes *lanes, size_t range, struct mr_buffer *buffer,
                               double *wait_seconds, struct mr_error *err);
/* The range has ended: takes the buffer's content (it is empty afterwards). */
MR_MUST_USE int mr_lanes_end(struct mr_lanes *lanes, size_t range, struct mr_buffer *buffer,
                             double *wait_seconds, struct mr_error *err);
/* A range failed: everybody who waits, now or later, returns MR_ERR_INTERRUPTED. */
void mr_lanes_fail(struct mr_lanes *lanes);

#endif
