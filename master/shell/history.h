/* history: the jobs that ended last, as their facts tell. */
#ifndef MR_SHELL_HISTORY_H
#define MR_SHELL_HISTORY_H

#include "lib/base/hash.h"
#include "lib/worker/orders.h"
#include "master/journal/journal.h"

/* How far a job was when it ended: of the round that was under way. Rounds count as in its list. */
struct mr_history_last {
    uint64_t rounds;
    uint64_t round;
    uint64_t pass;
    uint64_t map_tasks;
    uint64_t maps_done;
    uint64_t reduce_tasks;
    uint64_t reduces_done;
    uint64_t failed; /* attempts */
};

/* How far the asking is for what lies beside its output: clearing.c. */
struct mr_history_clearing {
    bool is_asked; /* a reducer is: */
    uint32_t node;
    uint64_t since_ms; /* that it is, or that the last was */
    bool sees_nothing; /* so said one, this time round, */
    bool can_not_tell; /* or one may know of something */
};

struct mr_history_row {
    uint32_t number;
    char id[MR_ORDERS_ID_LEN + 1];
    char *label;
    int status;
    char *why; /* "" where it is done */
    uint64_t submitted_wall_ms;
    uint64_t ended_wall_ms;
    struct mr_history_last last;
    uint64_t records; /* of one that is done: read, */
    uint64_t skipped; /* set aside */
    uint64_t input_bytes;
    struct mr_hash_128 manifest;        /* 0, 0: none */
    struct mr_hash_128 log;             /* likewise */
    struct mr_core_attempt log_attempt; /* as on the wire */
    bool is_awaited;                    /* clients are told when that log has come */
    uint32_t log_node;                  /* where it ran */
    struct mr_history_clearing clearing;
};

/* Zero-initialise; release with mr_history_fini. */
struct mr_history {
    struct mr_history_row *rows[MR_CORE_HISTORY]; /* as they ended; those from before this start of
                                                     the master first, by number */
    size_t count;
    uint32_t last_number; /* of all jobs that ever were */
};

void mr_history_fini(struct mr_history *history);

/* NULL: there is none. */
struct mr_history_row *mr_history_find(const struct mr_history *history, uint32_t number);
struct mr_history_row *mr_history_find_id(const struct mr_history *history, const char *id);

/* Adds an ended job, as its facts tell; the first, but for the one of the last number, falls out:
 * *forgotten is its number (0: none). */
MR_MUST_USE int mr_history_add(struct mr_history *history, const struct mr_journal *journal,
                               uint32_t number, uint32_t *forgotten, struct mr_error *err);

#endif
