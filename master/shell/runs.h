/* runs: the attempts that run, and where, since when, how far they are. */
#ifndef MR_SHELL_RUNS_H
#define MR_SHELL_RUNS_H

#include "master/core/terms.h"

struct mr_runs_row {
    struct mr_core_attempt attempt;
    struct mr_core_worker worker;
    uint64_t started_ms;
    uint64_t bytes; /* of its input, read so far */
    uint32_t permille;
    bool is_stopping;
    bool is_used;  /* of the pool */
    uint32_t next; /* in its bucket, or free */
};

/* Zero-initialise; release with mr_runs_fini. */
struct mr_runs {
    struct mr_runs_row *rows; /* those that are not used among them */
    uint32_t capacity;
    uint32_t count;
    uint32_t first_free;
    uint32_t *buckets; /* as many as rows */
};

void mr_runs_fini(struct mr_runs *runs);
/* Adds a row, or finds the one that is there; NULL: no memory. Valid until the next is added. */
struct mr_runs_row *mr_runs_add(struct mr_runs *runs, const struct mr_core_attempt *attempt,
                                struct mr_core_worker worker, uint64_t now_ms);
/* NULL: it does not run. */
struct mr_runs_row *mr_runs_find(const struct mr_runs *runs, const struct mr_core_attempt *attempt);
/* Removes it, where it is. */
void mr_runs_remove(struct mr_runs *runs, const struct mr_core_attempt *attempt);
/* Removes those of a job (0: of any), on a node (MR_CORE_NONE: on any). */
void mr_runs_remove_all(struct mr_runs *runs, uint32_t job, uint32_t node);

#endif
