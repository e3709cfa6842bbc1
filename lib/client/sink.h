/* sink: where a collected output goes: a directory that appears whole, or a stream. */
#ifndef MR_CLIENT_SINK_H
#define MR_CLIENT_SINK_H

#include <mr/bytes.h>
#include <mr/run.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_sink; /* opaque */

/* Borrowed. */
struct mr_sink_place {
    const char *output; /* a directory to make; NULL: */
    int output_fd;      /* a stream */
    bool overwrite;
};

/* Prepares it for the job of that id (32 hex digits): a directory that may not be made is refused.
 */
MR_MUST_USE int mr_sink_open(const struct mr_sink_place *place, const char *id,
                             struct mr_sink **sink, struct mr_error *err);
/* The directory is there already, and made by this very job. */
bool mr_sink_is_done(const struct mr_sink *sink);
bool mr_sink_is_directory(const struct mr_sink *sink);

/* Takes bytes, in order. */
typedef int (*mr_sink_write)(void *to, struct mr_bytes bytes, struct mr_error *err);
/* Brings the bytes of a part: calls `write` with `to`. */
typedef int (*mr_sink_fill)(void *arg, mr_sink_write write, void *to, struct mr_error *err);

/* Which part, and who brings it. */
struct mr_sink_part {
    uint32_t task;
    uint32_t attempt;
    mr_sink_fill fill;
    void *arg;
};

/* Takes a part, in the place of what an earlier try left; nobody sees it yet. A stream has room for
 * one. *done: what came, but for its records. */
MR_MUST_USE int mr_sink_take(struct mr_sink *sink, const struct mr_sink_part *part,
                             struct mr_run_part *done, struct mr_error *err);

/* What becomes of what was taken. */
struct mr_sink_content {
    const struct mr_run_part *parts;
    const uint32_t *winners; /* whose attempts they are */
    size_t count;
    const char *manifest;
    struct mr_bytes aside; /* the side file; empty: none */
};

/* Makes the directory appear, or writes the stream. Of a directory, MR_ERR_USAGE: another has
 * appeared in its place, and the result is kept, as the sentence says. */
MR_MUST_USE int mr_sink_finish(struct mr_sink *sink, const struct mr_sink_content *content,
                               struct mr_error *err);
/* After that failed: the output need not be had again all the same. Who reads the stream has seen
 * enough, as `head` has; or the result is kept. */
bool mr_sink_is_enough(const struct mr_sink *sink);

/* Removes what was prepared and neither appeared nor is kept. Harmless on NULL. */
void mr_sink_close(struct mr_sink *sink);

#endif
