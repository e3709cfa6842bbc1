/* part: writes one output file, or a stream, and knows its size and checksum. */
#ifndef MR_OUTPUT_PART_H
#define MR_OUTPUT_PART_H

#include <mr/run.h>
#include <stdatomic.h>
#include <stdbool.h>

#define MR_PART_NAME_MAX 32   /* "part-00000", its zero too */
#define MR_PART_SHOWN_MAX 256 /* of a path in errors; its end, where it is longer */

struct mr_hash;

/* In the caller's storage. One thread at a time. */
struct mr_part {
    int fd;
    bool is_stream;                /* the descriptor is the caller's: not synced, not closed */
    bool is_reopened;              /* the stream's pipe, opened again: ours, and not blocking */
    const atomic_bool *stop;       /* may be set behind mr_part_stream: ends a wait for the reader
                                      of a pipe with MR_ERR_INTERRUPTED */
    char shown[MR_PART_SHOWN_MAX]; /* for errors: the path of the file, "standard output" */
    uint64_t written;              /* bytes, in all */
    uint64_t flushed;              /* bytes for which write-back was started */
    struct mr_hash *hash;          /* NULL: neither created nor taken over, or finished */
};

/* Writes the name of a part, as `part-00007`, terminated. Cut off where `size` is below
 * MR_PART_NAME_MAX. */
void mr_part_name(char *name, size_t size, uint32_t partition);

/* Makes `name` in the directory (it may not exist), or takes over a stream. */
MR_MUST_USE int mr_part_create(struct mr_part *part, int dir_fd, const char *name,
                               struct mr_error *err);
MR_MUST_USE int mr_part_stream(struct mr_part *part, int fd, struct mr_error *err);

/* Writes bytes at the end: hashed, written through, write-back started every 8 MiB. A full disk
 * (MR_ERR_IO) says how much of the part was written, where, and at least how much more this write
 * needed. A stream that nobody reads any more is MR_ERR_CLOSED. */
MR_MUST_USE int mr_part_write(struct mr_part *part, const void *data, size_t len,
                              struct mr_error *err);

/* fsyncs and closes a file, and stores size and XXH3-64 (records are the caller's to fill). A
 * stream is left open. After any failure call mr_part_abandon. */
MR_MUST_USE int mr_part_finish(struct mr_part *part, struct mr_run_part *result,
                               struct mr_error *err);

/* Reads a file from its beginning and stores how many bytes it has, and their XXH3-64. */
MR_MUST_USE int mr_part_hash(int fd, const char *name, struct mr_run_part *found,
                             struct mr_error *err);

/* Closes without a result; the file stays where it is, for whoever removes the directory. Harmless
 * on a finished or zeroed part. */
void mr_part_abandon(struct mr_part *part);

#endif
