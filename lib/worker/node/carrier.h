/* carrier: brings here an output that tasks read: the own, a neighbour's, or one that is fetched.
 *
 * An output of this worker's own is there; one of a worker on the same machine gets a second name
 * here, where the file system allows it; others are fetched, and only the partitions that are
 * wanted: into a file of the same layout, with holes elsewhere, to which partitions can be added
 * (lib/record/map_output). What was fetched is checked before it is believed. What fails is to be
 * tried once more, then it is lost: all of this is noted in the output's row. The loop's thread;
 * checks are made in libuv's, and what they read is left alone meanwhile: the row is busy. */
#ifndef MR_NODE_CARRIER_H
#define MR_NODE_CARRIER_H

#include "lib/worker/node/peers.h"
#include "lib/worker/node/stock.h"

struct uv_loop_s;

/* All is borrowed, and outlives what is under way. */
struct mr_carrier {
    struct uv_loop_s *loop;
    struct mr_peers *peers;
    const char *host; /* this machine, as in PEER */
    uint32_t node;    /* this worker's number */
    int codec;        /* enum mr_piece_codec for all jobs; negative: as each job has it */
    /* A transfer of the table's is over (table->transfers has it no more); `is_void`: nobody wanted
     * it any more. */
    void (*ended)(void *user, struct mr_stock_table *table, bool is_void);
    void *user;
};

/* Brings what is wanted of an output that has a winner and is not busy. What can be settled at once
 * is: its row is HERE or LOST. Else a transfer began, of which `ended` tells, from the loop. */
void mr_carrier_bring(const struct mr_carrier *carrier, struct mr_stock_table *table,
                      uint32_t task);

#endif
