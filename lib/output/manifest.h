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

/* A larger one is not read. */
#define MR_MANIFEST_BYTES_MAX ((size_t)256 << 20)

/* What a manifest is made from; borrowed. */
struct mr_manifest_source {
    const struct mr_job *job;
    const struct mr_params *params; /* of this job */
    const char *const *facts;       /* "name=value", ended by NULL; or NULL */
    uint32_t partitions;            /* of the last round */
    const struct mr_inputs *inputs;
    const struct mr_run_spec *spec;
    const struct mr_run_result *result;
    const char *id;          /* of the job */
    const char *version;     /* of Millrace */
    struct timespec started; /* wall clock */
};

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
 *       id, version, started (UTC), seconds, threads, memory, peak_rss, output (null: a stream),
 * input_bytes inputs      [{path, size, mtime (UTC)}]; of a stream only the path is known, the
 * others are null rounds      [{name, counters: the physical ones, map, reduce: {seconds,
 * thread_seconds, wait_seconds, bytes}}]
 *
 * A number above 2^63-1 is written as a string of its digits; text that is not UTF-8 as {hex: its
 * bytes}. Stores malloc'ed, terminated text, which the caller frees. Any thread. MR_ERR_NOMEM;
 * MR_ERR_JOB where the job's name for something is not UTF-8. */
MR_MUST_USE int mr_manifest_write(const struct mr_manifest_source *source, char **json,
                                  struct mr_error *err);

/* Reads DIR/_manifest.json's parts. MR_ERR_INPUT where it is missing, not ours or malformed
 * (hostile content included); MR_ERR_IO where it can't be read. The caller frees *parts (NULL where
 * there are none). */
MR_MUST_USE int mr_manifest_read(const char *dir, struct mr_run_part **parts, size_t *count,
                                 struct mr_error *err);

/* The same for an open directory; `dir` stands in errors. */
MR_MUST_USE int mr_manifest_read_at(int dir_fd, const char *dir, struct mr_run_part **parts,
                                    size_t *count, struct mr_error *err);

/* The same for the text of a manifest, of any bytes; the error is without a path. */
MR_MUST_USE int mr_manifest_parse(const char *text, size_t len, struct mr_run_part **parts,
                                  size_t *count, struct mr_error *err);

/* Reads how a run went, for each round: seconds and bytes of map and reduce (nothing else of the
 * rounds is filled in), and how much input it had. `path`: an output directory or a manifest.
 * Errors as for mr_manifest_read. The caller frees *rounds. */
MR_MUST_USE int mr_manifest_read_rounds(const char *path, struct mr_run_round **rounds,
                                        size_t *count, uint64_t *input_bytes, struct mr_error *err);

#endif
