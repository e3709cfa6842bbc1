/* params: checks a user's parameters against a job's table and answers for their values. */
#ifndef MR_JOB_PARAMS_H
#define MR_JOB_PARAMS_H

#include <mr/run.h>

struct mr_params; /* the values of one run; opaque, immutable, any thread may read */

/* What the parameters of a run are made from. */
struct mr_params_source {
    const struct mr_job *job;         /* its table has passed mr_plugin_check */
    const struct mr_run_param *given; /* by the user */
    size_t count;
    uint64_t file_bytes_max; /* of all files together; at most, and where it is 0, 1 GiB */
};

/* Checks every given parameter against the job's table and gathers all problems in one error (one a
 * line): unknown (with the nearest name), missing value, a value of the wrong kind. Reads
 * MR_PARAM_FILE contents (missing, unreadable, larger than the limit: MR_ERR_INPUT). The
 * code is that of the first problem, wrong usage before files. Of a parameter given twice the last
 * value holds. The job's table and the given texts are borrowed until mr_params_destroy. */
MR_MUST_USE int mr_params_create(const struct mr_params_source *source, struct mr_params **params,
                                 struct mr_error *err);
void mr_params_destroy(struct mr_params *params);

/* The value as text, default filled in; NULL where there is none (an absent flag: NULL; a given
 * one: ""). */
const char *mr_params_text(const struct mr_params *params, const char *name);
/* The value as a number: MR_PARAM_U64, or a flag's 0 or 1; 0 where there is none. */
uint64_t mr_params_u64(const struct mr_params *params, const char *name);
/* The content of a file parameter; len 0 where not given. */
struct mr_bytes mr_params_file(const struct mr_params *params, const char *name);

/* Of all file parameters together. */
uint64_t mr_params_file_bytes(const struct mr_params *params);

/* Every declared parameter with its value, as mr_params_text has it, in the table's order: for the
 * manifest. Borrowed; as many rows as the job declares. */
const struct mr_run_param *mr_params_rows(const struct mr_params *params, size_t *count);

/* Whether a text (NULL: none) is a value of the parameter's kind; the file of MR_PARAM_FILE is not
 * looked at. */
bool mr_params_accepts(const struct mr_param *param, const char *value);

#endif
