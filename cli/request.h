/* request: what `run` and `explain` are asked for: a command line made into a run's specification.
 */
#ifndef MR_CLI_REQUEST_H
#define MR_CLI_REQUEST_H

#include "cli/commands.h"

#include <mr/run.h>

/* The options of `run`; the rows of mr_request_options stand in this order. */
enum mr_request_option {
    MR_REQUEST_HELP,
    MR_REQUEST_OUTPUT,
    MR_REQUEST_OVERWRITE,
    MR_REQUEST_THREADS,
    MR_REQUEST_MEMORY,
    MR_REQUEST_TMP,
    MR_REQUEST_STATE,
    MR_REQUEST_PARTITIONS,
    MR_REQUEST_MAX_RECORD,
    MR_REQUEST_ISOLATE,
    MR_REQUEST_TASK_MEMORY,
    MR_REQUEST_TASK_TIMEOUT,
    MR_REQUEST_MAX_ATTEMPTS,
    MR_REQUEST_SKIP,
    MR_REQUEST_JSON,
    MR_REQUEST_REPORT,
    MR_REQUEST_QUIET,
    MR_REQUEST_VERBOSE,
    MR_REQUEST_OPTIONS
};

extern const struct mr_option mr_request_options[];

/* Zero-initialise; release with mr_request_fini. */
struct mr_request {
    struct mr_run_spec spec;        /* borrows from the fields below and from the command line */
    struct mr_option *rows;         /* the options of run, then the job's parameters */
    struct mr_option_value *values; /* one a row */
    struct mr_run_param *params;
    const char *job_name;
    bool help; /* asked for; spec.job may be NULL then, and nothing else of spec counts */
    bool json;
    bool report;
    bool quiet;
    bool verbose;
};

/* Reads `args` (ended by NULL), finds the job and fills in the spec, checking the options but not
 * the parameters' values, which the run does. `args` becomes the list of inputs. */
MR_MUST_USE int mr_request_parse(struct mr_request *request, char **args, struct mr_error *err);
void mr_request_fini(struct mr_request *request);

/* Finds a job by what a user typed: unknown names get the nearest one, a plugin named without a '/'
 * the path to type. */
MR_MUST_USE int mr_request_find_job(const char *name, const struct mr_job **job,
                                    struct mr_error *err);

#endif
