/* identity: what makes two runs the same, as text to be compared. */
#ifndef MR_PLAN_IDENTITY_H
#define MR_PLAN_IDENTITY_H

#include "lib/base/buffer.h"
#include "master/local/plan/plan.h"

/* Where in a job's text its shape lies: splits, rounds and partitions, which follow from the inputs
 * where no option says otherwise. */
struct mr_identity_shape {
    size_t begin;
    size_t end;
};

/* The job: its code (a plugin's file by size, time and inode; our own by its version), its
 * parameters as they are after defaults, files among them by their content, its shape, and the
 * absolute path of its output. Threads, memory and scratch are not of it. Terminated. */
MR_MUST_USE int mr_identity_job(const struct mr_run_spec *spec, const struct mr_plan *plan,
                                struct mr_buffer *text, struct mr_identity_shape *shape,
                                struct mr_error *err);

/* The inputs: path, size, time, inode of each, one a line. Terminated. */
MR_MUST_USE int mr_identity_inputs(const struct mr_plan *plan, struct mr_buffer *text,
                                   struct mr_error *err);

/* A run's two texts. */
struct mr_identity_texts {
    const char *job;
    const char *inputs;
};

enum mr_identity_relation {
    MR_IDENTITY_SAME,
    MR_IDENTITY_INPUTS, /* the same job, whose inputs are others: then its shape may be, too */
    MR_IDENTITY_OTHER,
};

/* How a run stands to one before; `shape` is of the job's text now. Writes for people the first
 * input that differs, or what else does. */
enum mr_identity_relation mr_identity_compare(const struct mr_identity_texts *before,
                                              const struct mr_identity_texts *now,
                                              const struct mr_identity_shape *shape, char *out,
                                              size_t size);

/* The command, about as it was typed, for people. Terminated. */
MR_MUST_USE int mr_identity_label(const struct mr_run_spec *spec, struct mr_buffer *text,
                                  struct mr_error *err);

/* The absolute path of a name that need not exist yet, as far as its folder does. malloc'ed. */
MR_MUST_USE int mr_identity_path(const char *path, char **absolute, struct mr_error *err);

#endif
