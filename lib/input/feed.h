/* feed: the bytes of an input as they are stored, through a window that refills. */
#ifndef MR_INPUT_FEED_H
#define MR_INPUT_FEED_H

#include "lib/input/input.h"
#include <mr/bytes.h>
#include <mr/status.h>
#include <stdatomic.h>
#include <stdbool.h>

/* In the caller's storage; release with mr_feed_close. One thread at a time. The decoder takes
 * bytes from `next` by mr_feed_take and asks for more by mr_feed_fill. */
struct mr_feed {
    const unsigned char *next; /* the window: what was read and not yet taken */
    size_t avail;
    uint64_t offset; /* of `next` in the input */
    bool ended;      /* nothing comes behind the window */

    const char *name;
    int fd;                  /* -1: all bytes are in the window */
    bool positioned;         /* read at `offset`, whatever the descriptor's position is */
    uint64_t size;           /* what the input must hold at least */
    unsigned char *window;   /* NULL until the first fill */
    const atomic_bool *stop; /* NULL: a wait for a stream can't be interrupted */
};

/* Opens an input. `input` and `stop` are borrowed until the feed is closed. MR_ERR_INPUT or
 * MR_ERR_IO. */
MR_MUST_USE int mr_feed_open(struct mr_feed *feed, const struct mr_input *input,
                             const atomic_bool *stop, struct mr_error *err);

/* A feed of bytes in memory, borrowed; `name` stands in errors. Can't fail. */
void mr_feed_open_memory(struct mr_feed *feed, struct mr_bytes bytes, const char *name);
void mr_feed_close(struct mr_feed *feed);

/* Sees to it that the window holds `want` bytes (at most a few), or else all that is left, `ended`
 * being set then. A regular file that ends before the size it was listed with: MR_ERR_INPUT. While
 * a stream has nothing to read, *stop is looked at ten times a second: MR_ERR_INTERRUPTED. */
MR_MUST_USE int mr_feed_fill(struct mr_feed *feed, size_t want, struct mr_error *err);

/* Takes `len` bytes of the window. */
void mr_feed_take(struct mr_feed *feed, size_t len);

/* Takes bytes into `out`, as they are stored: `room` of them, less only at the end. */
MR_MUST_USE int mr_feed_read(struct mr_feed *feed, char *out, size_t room, size_t *got,
                             struct mr_error *err);

/* Opens the descriptor of an input for reading ("-": a duplicate of standard input). */
MR_MUST_USE int mr_feed_open_descriptor(const struct mr_input *input, int *fd,
                                        struct mr_error *err);

/* What an input is called in sentences. */
const char *mr_feed_name(const struct mr_input *input);

/* The status for an input that can't be opened or looked at because of `errno_value`: MR_ERR_INPUT
 * where its name or its rights are the cause, MR_ERR_NOMEM, else MR_ERR_IO. */
int mr_feed_status(int errno_value);

/* The sentence about a file that ended at byte `size`, though it was listed with more. */
MR_MUST_USE int mr_feed_shrunk(const char *name, uint64_t listed, uint64_t size,
                               struct mr_error *err);

#endif
