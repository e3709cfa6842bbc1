/* search: for the records that a map task's code does not get over, so that they can be set aside.
 *
 * Where an attempt failed is known by record, or by block; then the next one is told to map that
 * block a record at a time. A record at which two attempts failed in a row is a bad one: it is set
 * aside, or the job fails by it. Attempts in the search don't count, so many as it takes to find
 * one record too many: code that fails here and there fails for another reason.
 *
 * This judges, and keeps nothing: a run with task processes (local/files/care) and a master
 * (shell/suspects) keep what it knows as facts, one a map task of the first round:
 * 8 bytes each: block, last, times, uncounted, then the offsets. */
#ifndef MR_COMMON_SEARCH_H
#define MR_COMMON_SEARCH_H

#include "lib/base/buffer.h"
#include "master/journal/facts.h"
#include <stdbool.h>

#define MR_SEARCH_NOWHERE UINT64_MAX
#define MR_SEARCH_SKIPS_MAX 4096u /* of a task: a message has room for so many */

struct mr_search_task {
    uint64_t block;     /* to be mapped one record at a time; NOWHERE: none */
    uint64_t last;      /* where it failed last; NOWHERE: at no record, or that was set aside */
    uint64_t times;     /* in a row */
    uint64_t uncounted; /* attempts, in the search */
    uint64_t *skips;    /* records set aside, ascending */
    size_t skip_count;
};

/* Release with mr_search_fini. */
struct mr_search {
    struct mr_search_task *tasks; /* NULL: none had trouble yet */
    uint32_t count;
    uint32_t most;      /* records may be set aside, in all tasks: --skip-bad-records */
    uint32_t set_aside; /* so many are */
};

struct mr_search_failure {
    bool is_exact;   /* it is known by record */
    uint64_t block;  /* where its block begins */
    uint64_t offset; /* of the record */
};

struct mr_search_verdict {
    bool is_uncounted; /* it is part of the search */
    bool is_fatal;     /* no attempt can help: */
    bool is_full;      /* its task can't set more aside, though the job could */
};

void mr_search_init(struct mr_search *search, uint32_t count, uint32_t most);
void mr_search_fini(struct mr_search *search);
/* The tasks' round is over, and another pass maps them: nothing is known of that. */
void mr_search_clear(struct mr_search *search);

/* What is known of a task; valid until the next call for it. */
const struct mr_search_task *mr_search_of(const struct mr_search *search, uint32_t task);

/* An attempt at a task has failed at a place that is known: what that means for the next ones. */
MR_MUST_USE int mr_search_judge(struct mr_search *search, uint32_t task,
                                const struct mr_search_failure *failure,
                                struct mr_search_verdict *verdict, struct mr_error *err);
/* Adds to the cause why a verdict is fatal. */
void mr_search_explain(const struct mr_search *search, const struct mr_search_verdict *verdict,
                       struct mr_error *why);

/* What is known of a task as a fact's bytes, and back; its key is the task. MR_ERR_INPUT: it is
 * none of these. */
MR_MUST_USE int mr_search_save(const struct mr_search *search, uint32_t task,
                               struct mr_buffer *bytes, struct mr_error *err);
MR_MUST_USE int mr_search_load(struct mr_search *search, const struct mr_fact *fact,
                               struct mr_error *err);

#endif
