/* identity: what makes two runs the same, as text to be compared. */
#ifndef MR_PLAN_IDENTITY_H
#define MR_PLAN_IDENTITY_H

#include "lib/base/buffer.h"
#include "master/local/plan/plan.h"

/* The job: its code (a plugin's file by size, time and inode; our own by its version), its
 * parameters as they are after defaults, files among them by their content, its shape (splits,
 * partitions, rounds), and the absolute path of its output. Threads, memory and scratch are not of
 * it. Terminated. */
MR_MUST_USE int mr_identity_job(const struct mr_run_spec *spec, const struct mr_plan *plan,
                                struct mr_buffer *text, struct mr_error *err);

/* The inputs: path, size, time, inode of each, one a line. Terminated. */
MR_MUST_USE int mr_identity_inputs(const struct mr_plan *plan, struct mr_buffer *text,
                                   struct mr_error *err);

/* The first input that differs between two such texts, for people. */
void mr_identity_differ(const char *before, const char *now, char *out, size_t size);

/* The command, about as it was typed, for people. Terminated. */
MR_MUST_USE int mr_identity_label(const struct mr_run_spec *spec, struct mr_buffer *text,
                                  struct mr_error *err);

/* The absolute path of a name that need not exist yet, as far as its folder does. malloc'ed. */
MR_MUST_USE int mr_identity_path(const char *path, char **absolute, struct mr_error *err);

#endif
