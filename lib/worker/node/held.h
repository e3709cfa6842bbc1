/* held: the outputs of one job that a worker made and keeps: a set. */
#ifndef MR_NODE_HELD_H
#define MR_NODE_HELD_H

#include "lib/net/wire.h"

/* Zero-initialise; release with mr_held_fini. The loop's thread. */
struct mr_held {
    struct mr_wire_row_held *rows; /* in no order */
    size_t count;
    size_t capacity;   /* of rows, next and buckets: a power of two */
    uint32_t *next;    /* by row: the one after it in its bucket */
    uint32_t *buckets; /* the first row of each */
};

/* Two rows are one where phase, round, task and attempt are. */
bool mr_held_has(const struct mr_held *held, const struct mr_wire_row_held *row);
/* Adds one that is not there yet. */
MR_MUST_USE int mr_held_add(struct mr_held *held, const struct mr_wire_row_held *row,
                            struct mr_error *err);
/* Harmless where it is not there. */
void mr_held_remove(struct mr_held *held, const struct mr_wire_row_held *row);
void mr_held_fini(struct mr_held *held);

#endif
