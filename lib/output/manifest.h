/* manifest: the account of a job's output, as JSON: written beside the parts, read by verify. */
#ifndef MR_OUTPUT_MANIFEST_H
#define MR_OUTPUT_MANIFEST_H

#include "lib/input/inputs.h"
#include "lib/job/params.h"
#include <mr/run.h>
#include <time.h>

#define MR_MANIFEST_FORMAT 1
#define MR_MANIFEST_NAME "_manifest.json"
#define MR_MANIFEST_SUCCESS "_SUCCESS" /* the empty file that other systems look for */

/* What a manifest is made from; borrowed. All but `result` is known when the job is planned. */
struct mr_manifest_source {
    const struct mr_job *job;
    const struct mr_params *params; /* of this job */
    const char *const *facts;       /* "name=value", ended by NULL; or NULL */
    bool loops;                     /* the job loops */
    uint32_t partitions;            /* of the last round */
    const struct mr_inputs *inputs;
    const struct mr_run_spec *spec;
    const struct mr_run_result *result;
    const char *id;          /* of the job */
    const char *version;     /* of Millrace */
    struct timespec started; /* wall clock */
};

/* Describes the job, as the text of one JSON object: all that its manifest says but `result` (NULL,
 * here), which need not be known by the same process. Stores malloc'ed, terminated text, which the
 * caller frees. Any thread. MR_ERR_NOMEM; MR_ERR_JOB where the job's name for something is not
 * UTF-8. */
MR_MUST_USE int mr_manifest_describe(const struct mr_manifest_source *source, char **description,
                                     struct mr_error *err);

/* Makes the JSON text, keys in this order, two spaces a level, a line end at its end:
 *
 *     format      1
 *     result      what the output is: byte for byte a function of inputs, job and parameters
 *       job         name
 *       parameters  {name: value}, as declared: a flag is true or false, a number a number, a file
 * {bytes, xxh3} of its content (its path may differ), one without a value null facts       {name:
 * value} rounds      [{name, counters: the logical ones}] counters    the job's own, by name
 *       records, bytes, partitions    of the output
 *       parts       [{name, records, bytes, xxh3: 16 hex digits}]; none for a stream
 *     run         how it was made
 *       id, version, started (UTC), seconds, threads, memory and peak_rss (of a process; not there
 * where many made it), output (null: a stream), input_bytes
 *       inputs      [{path, size, mtime (UTC)}]; of a stream only the path is known, the others are
 * null
 *       rounds      [{name, counters: the physical ones, map, reduce: {seconds,
 * thread_seconds, wait_seconds, bytes}}]
 *
 * A number above 2^63-1 is written as a string of its digits; text that is not UTF-8 as {hex: its
 * bytes}. `description`: of mr_manifest_describe, terminated; that of another job, or of another
 * process, can't do worse than make a wrong manifest. Stores malloc'ed, terminated text, which the
 * caller frees. Any thread. MR_ERR_NOMEM; MR_ERR_INPUT where the description is malformed;
 * MR_ERR_JOB where the job's name for something is not UTF-8. */
MR_MUST_USE int mr_manifest_finish(const char *description, const struct mr_run_result *result,
                                   char **json, struct mr_error *err);

/* Both, where one process knows all. */
MR_MUST_USE int mr_manifest_write(const struct mr_manifest_source *source, char **json,
                                  struct mr_error *err);

#endif
