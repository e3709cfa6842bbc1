/* request: what `run`, `explain` and `submit` are asked for, as the specification of a run. */
#ifndef MR_CLI_REQUEST_H
#define MR_CLI_REQUEST_H

#include "cli/commands.h"

#include <mr/run.h>

/* Rows that `run` and `submit` have alike. */
#define MR_REQUEST_OVERWRITE_ROW                                                                   \
    {                                                                                              \
        .name = "overwrite", .kind = MR_OPTION_FLAG,                                               \
        .help = "Replace DIR, once all is done, where it holds an earlier result."                 \
    }
#define MR_REQUEST_PARTITIONS_ROW                                                                  \
    {                                                                                              \
        .name = "partitions", .kind = MR_OPTION_U64, .metavar = "N", .least = 1, .most = 4096,     \
        .help = "Write N parts (at most 4096) instead of a number that follows from the size of "  \
                "the input. Goes with -o, and not with jobs that settle the number themselves, "   \
                "as wordcount --top does."                                                         \
    }
#define MR_REQUEST_MAX_RECORD_ROW                                                                  \
    {                                                                                              \
        .name = "max-record", .kind = MR_OPTION_SIZE, .metavar = "SIZE", .fallback = "64M",        \
        .least = 1, .help = "Refuse records (lines) longer than SIZE."                             \
    }
#define MR_REQUEST_QUIET_ROW                                                                       \
    {                                                                                              \
        .name = "quiet", .letter = 'q', .kind = MR_OPTION_FLAG,                                    \
        .help = "Show no progress and no closing line on a terminal."                              \
    }

/* The options of `run`. */
extern const struct mr_option mr_request_options[];

/* Zero-initialise; release with mr_request_fini. */
struct mr_request {
    const struct mr_option *options; /* what may be given; NULL: mr_request_options */
    struct mr_run_spec spec;         /* borrows from the fields below and from the command line */
    struct mr_option *rows;          /* the options, then the job's parameters */
    struct mr_option_value *values;  /* one a row */
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

/* What was given for an option, by its name; nothing where there is no such option. */
const struct mr_option_value *mr_request_value(const struct mr_request *request, const char *name);

/* Finds a job by what a user typed: unknown names get the nearest one, a plugin named without a '/'
 * the path to type. */
MR_MUST_USE int mr_request_find_job(const char *name, const struct mr_job **job,
                                    struct mr_error *err);

#endif
