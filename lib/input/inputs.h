/* inputs: turns what the user named into a list of input files, each with its kind and size. */
#ifndef MR_INPUT_INPUTS_H
#define MR_INPUT_INPUTS_H

#include "lib/input/input.h"
#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>

/* Why a walk passes over a directory that a run has made: it would count its own result. */
#define MR_INPUTS_OUTPUT "an output of Millrace: name it itself to read it"

/* A name that a directory walk passed over, and why ("hidden", "not a regular file"). */
struct mr_input_skip {
    char *path;
    const char *why;
};

/* Owns its rows. Zero-initialise; release with mr_inputs_fini. */
struct mr_inputs {
    struct mr_input *items;
    size_t count;
    struct mr_input_skip *skipped;
    size_t skipped_count;
    uint64_t bytes;          /* of all regular files, on disk */
    uint64_t weighted_bytes; /* the same, compressed files counted four times */
    bool has_stream;         /* some input can't be measured */
};

/* Expands `names` in the order given: a regular file, FIFO or device as it is; a directory
 * recursively, entries in byte order, names that begin with '.' or '_' skipped, and the outputs of
 * Millrace in it, finished or not (symbolic links are followed for files; a link to a directory is
 * followed when named by the user, skipped inside a walk); a glob pattern (holds * ? or [ and names
 * no existing file), matches in byte order; "-" is standard input (at most once); no names:
 * standard input. Every file is opened once to see that it can be read and to tell its kind by
 * content. Empty files are listed. All problems (missing, unreadable, compressed in a way that is
 * not read, pattern without match, no files at all in what was named) are gathered and named in one
 * error, one a line (the first ten, then a count): MR_ERR_INPUT. */
MR_MUST_USE int mr_inputs_expand(const char *const *names, size_t count, struct mr_inputs *inputs,
                                 struct mr_error *err);
void mr_inputs_fini(struct mr_inputs *inputs);

/* Whether what stat says now is of the file that was listed: its inode, size and time of change. */
struct stat;
bool mr_inputs_is_same(const struct mr_input *input, const struct stat *now);

/* Sees that an input which was read before still is the file that was listed: its inode, size and
 * time of change. MR_ERR_INPUT, where it is not, says so. Any thread. */
MR_MUST_USE int mr_inputs_check_same(const struct mr_input *input, struct mr_error *err);

#endif
