/* suspects: records that the job's code fails on, and those of them that are set aside.
 *
 * As with task processes of one run (master/local/files/care.c): an attempt that fails somewhere
 * in a block has the next map that block a record at a time; a record that fails twice is a bad
 * one. Those that are set aside are facts; the search begins again after a restart. */
#ifndef MR_SHELL_SUSPECTS_H
#define MR_SHELL_SUSPECTS_H

#include "lib/net/wire.h"
#include "master/journal/journal.h"

struct mr_suspects_task {
    uint32_t task;
    uint64_t block; /* mapped a record at a time */
    uint64_t last;  /* record that an attempt failed at */
    uint32_t times;
    uint64_t uncounted; /* attempts, in the search */
    uint64_t *skips;    /* ascending */
    size_t skip_count;
};

/* Zero-initialise; release with mr_suspects_fini. */
struct mr_suspects {
    struct mr_suspects_task *tasks; /* those with trouble */
    size_t count;
    uint32_t skips; /* records set aside, of all tasks */
};

#define MR_SUSPECTS_NOWHERE UINT64_MAX

void mr_suspects_fini(struct mr_suspects *suspects);
/* What the journal holds of a job. */
MR_MUST_USE int mr_suspects_load(struct mr_suspects *suspects, const struct mr_journal *journal,
                                 uint32_t job, struct mr_error *err);
/* NULL: the task had no trouble. */
const struct mr_suspects_task *mr_suspects_of(const struct mr_suspects *suspects, uint32_t task);

/* How to take the failure of a map task of the first round. */
struct mr_suspects_verdict {
    bool is_uncounted; /* it is part of the search */
    bool is_fatal;     /* no attempt can help */
    const char *words; /* to be added to the cause, or NULL */
};

/* Judges, and gathers as a fact that a record is set aside. `most`: the job's skip_bad_records. */
MR_MUST_USE int mr_suspects_judge(struct mr_suspects *suspects, struct mr_journal *journal,
                                  const struct mr_wire_failed *failed, uint32_t most,
                                  struct mr_suspects_verdict *verdict, struct mr_error *err);

#endif
