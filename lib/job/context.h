/* context: what the engine keeps behind the `struct mr_ctx` that a callback is handed. */
#ifndef MR_JOB_CONTEXT_H
#define MR_JOB_CONTEXT_H

#include "lib/base/buffer.h"
#include "lib/job/params.h"
#include "lib/record/run_store.h"
#include <mr/job.h>

/* Where a thread is: for error sentences, for the crash report, which reads it from a signal
 * handler, and for a process that watches this one, which sees it in memory that both map. */
struct mr_where {
    const char *job;
    const char *round;
    const char *input; /* the file being mapped; NULL while reducing */
    uint64_t pass;     /* of a loop, from 1; 0: none (yet) */
    uint64_t offset;   /* of the block */
    uint64_t record;   /* of the record, from the block's start: mr_at; reducing: values so far */
    uint64_t beats;    /* grows while the engine works between records */
    uint32_t task;
    enum mr_phase phase;
    bool is_exact; /* mapping: `record` is the record's own place, not only its block's */
};

/* A counter of the job's own: names are the plugin's and live as long. */
struct mr_counters {
    struct mr_run_counter *items;
    size_t count;
};
MR_MUST_USE int mr_context_counters_add(struct mr_counters *counters, const char *name,
                                        uint64_t amount, struct mr_error *err);

/* One thread's context in one phase of one round. First member of the rooms that emit (collector,
 * reduce task), so that their functions find themselves behind the pointer they are handed. */
struct mr_context {
    struct mr_ctx ctx;
    const struct mr_job *job;
    const struct mr_round *round;
    const struct mr_params *params;
    void *state; /* the job's */
    bool has_state;
    bool verbose;
    struct mr_error err;    /* the first failure: sticky */
    struct mr_where *where; /* own_where, or the source's */
    struct mr_where own_where;
    struct mr_counters counters;
    struct mr_buffer *set_target; /* where mr_set goes, inside combine */
    struct mr_bytes keys[2];      /* what combine, partition or compare looks at, for errors */
    unsigned key_count;
};

/* What contexts of a round share. */
struct mr_context_source {
    const struct mr_job *job;
    const struct mr_params *params;
    const struct mr_round *rounds; /* as planned */
    uint32_t round;
    uint32_t partitions;
    bool verbose;
    struct mr_where *where; /* where the one context that works at a time says where it is; NULL:
                               each for itself */
    uint64_t pass;          /* of a loop, from 1; 0: the job doesn't loop, or has not begun to */
    struct mr_bytes loop_state;
};

/* Fills every function of ctx; emits fail until a room replaces them. The context must stay where
 * it is. */
void mr_context_init(struct mr_context *context, const struct mr_context_source *source,
                     enum mr_phase phase);
/* Calls the job's setup. */
MR_MUST_USE int mr_context_setup(struct mr_context *context);
/* Calls teardown where setup was called. */
void mr_context_teardown(struct mr_context *context);
/* Teardown, and frees the counters. */
void mr_context_fini(struct mr_context *context);

/* Between these two, errors and crashes name no record: what goes on concerns others than the one
 * being mapped. Returns what to restore. */
const char *mr_context_leave_record(struct mr_context *context);
void mr_context_return_to_record(struct mr_context *context, const char *input);

/* The rules of merging in this round, through the job's own callbacks on this context. */
struct mr_record_rules mr_context_rules(struct mr_context *context);

/* The partition of a key. */
MR_MUST_USE int mr_context_partition(struct mr_context *context, struct mr_bytes key,
                                     uint32_t *partition);

/* Folds by the job's combine: an mr_fold_combine_fn, with the context as `arg`. */
int mr_context_combine(void *context, struct mr_bytes key, struct mr_bytes into,
                       struct mr_bytes value, struct mr_buffer *out);

/* Records that a callback returned `status`: gives it a sentence where mr_fail gave none, and the
 * place. Returns context->err.code. */
int mr_context_failed(struct mr_context *context, const char *callback, int status);

/* This thread's position, for the crash report; NULL: none. */
extern _Thread_local struct mr_where *mr_context_where;

#endif
