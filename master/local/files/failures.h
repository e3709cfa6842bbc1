/* failures: why attempts at a task failed: the first cause, and how often. */
#ifndef MR_FILES_FAILURES_H
#define MR_FILES_FAILURES_H

#include "master/core/terms.h"
#include "master/local/files/ledger.h"

/* Of one task, or of a loop's turn (MR_PHASE_LOOP, task 0). */
struct mr_failures {
    uint32_t count;        /* all that failed */
    uint32_t attempt;      /* the first that counts, 0: none yet */
    uint32_t before;       /* that: attempts that failed and don't count */
    bool is_short;         /* an attempt's memory did not suffice: the next have half the buffers */
    struct mr_error first; /* why it did */
};

/* A failure of an attempt. */
struct mr_failures_row {
    enum mr_phase phase;
    uint32_t task;
    uint32_t attempt;
    bool counts;   /* as one of those that a task may have */
    bool is_short; /* its memory did not suffice */
    const struct mr_error *why;
};

/* Counts a failure, and keeps it where it is the first that counts. */
MR_MUST_USE int mr_failures_note(struct mr_ledger *ledger, const struct mr_failures_row *row,
                                 struct mr_error *err);

struct mr_failures mr_failures_of(const struct mr_ledger *ledger, enum mr_phase phase,
                                  uint32_t task);

/* The sentence of a job that failed: by the first cause, or (`last`) by an attempt that another
 * can't help; and how often it was tried. */
void mr_failures_say(const struct mr_failures *failures, const struct mr_error *last,
                     struct mr_error *err);

#endif
