/* dossier: a job as a worker knows it, and the files that it has of it.
 *
 * Files lie in the job's folder; their names are those of lib/worker/orders.h: what this worker
 * made, and what it fetched. What it made, and is done, has a second name in own/, so that a worker
 * that comes back knows what it may offer. The spec is linked there too.
 *
 * A round of the wire goes on counting over the passes of a loop; orders count within one. An
 * output is named by a row of HELD, whose `id` and `digest` do not matter. The loop's thread. */
#ifndef MR_NODE_DOSSIER_H
#define MR_NODE_DOSSIER_H

#include "lib/base/hash.h"
#include "lib/net/wire.h"
#include "lib/record/map_output.h"
#include "lib/worker/node/folder.h"
#include "lib/worker/node/held.h"
#include "lib/worker/spec.h"

#define MR_DOSSIER_DIR_MAX 4096
/* Phases of outputs. */
#define MR_DOSSIER_MAP 0
#define MR_DOSSIER_PAIRS 1
#define MR_DOSSIER_NOTHING 2 /* none: the job is known, and nothing of it held */
#define MR_DOSSIER_PART 3    /* of a job that is collected */

enum mr_dossier_state {
    MR_DOSSIER_COMING, /* something is missing yet */
    MR_DOSSIER_READY,
    MR_DOSSIER_BROKEN, /* it can't be had: err says why */
};

struct mr_dossier {
    struct mr_dossier *next;
    uint32_t number; /* the master's; 0: not told yet */
    char id[MR_WIRE_ID_MAX];
    struct mr_hash_128 spec_hash;
    enum mr_dossier_state state;
    struct mr_error err;
    char dir[MR_DOSSIER_DIR_MAX];
    bool has_spec;
    struct mr_buffer spec_bytes;
    struct mr_spec spec;
    struct mr_layout_held spec_held;
    struct mr_orders_job orders;   /* once it is ready */
    char *names;                   /* what orders point to */
    struct mr_held held;           /* this worker's own */
    struct mr_hash_128 loop_state; /* the latest that lies in the folder; 0, 0: none */
    uint64_t loop_pass;            /* whose it is */
    struct mr_hash_128 kept_state; /* what the last turn done here set; 0, 0: none */
    unsigned uses;                 /* who keeps a pointer to it */
    bool is_forgotten;
};

/* Reads the spec that is linked in the folder. */
MR_MUST_USE int mr_dossier_load(struct mr_dossier *job, struct mr_error *err);
/* Looks through the folder: what was made here and opens well is held, all else is removed. */
MR_MUST_USE int mr_dossier_scan(struct mr_dossier *job, struct mr_error *err);

/* The order of the attempt that leaves an output: phase, task, attempt, round and pass. */
struct mr_orders_task mr_dossier_order(const struct mr_dossier *job,
                                       const struct mr_wire_row_held *row);
/* The path of an output in a folder of the job's; of a part: the directory that it is in. */
MR_MUST_USE int mr_dossier_path(const struct mr_dossier *job, const char *dir,
                                const struct mr_wire_row_held *row, char path[MR_ORDERS_PATH_MAX],
                                struct mr_error *err);
/* Opens a map output or pairs and checks that it is this very one; MR_ERR_IO says what is wrong. */
MR_MUST_USE int mr_dossier_open(const struct mr_dossier *job, const char *dir,
                                const struct mr_wire_row_held *row, struct mr_map_output **output,
                                struct mr_error *err);

/* Notes that an attempt of this worker's left its output, in the place of what it left before. */
MR_MUST_USE int mr_dossier_hold(struct mr_dossier *job, const struct mr_wire_row_held *row,
                                struct mr_error *err);
bool mr_dossier_holds(const struct mr_dossier *job, const struct mr_wire_row_held *row);
/* Removes an output, own or fetched; all of a round's and phase's. What is large, and
 * would take its time, goes to `trash`'s trash; NULL: it is removed at once. */
void mr_dossier_discard(struct mr_dossier *job, const struct mr_wire_row_held *row,
                        struct mr_folder *trash);
void mr_dossier_discard_round(struct mr_dossier *job, uint32_t round, uint32_t phase,
                              struct mr_folder *trash);

#endif
