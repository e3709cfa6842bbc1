/* input: one input, as it was found. */
#ifndef MR_INPUT_INPUT_H
#define MR_INPUT_INPUT_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* How an input is read: a plain file at offsets, by several threads at once; all others in order.
 */
enum mr_input_kind {
    MR_INPUT_FILE,   /* a plain regular file */
    MR_INPUT_STREAM, /* standard input that is no regular file, a FIFO, a device */
    MR_INPUT_GZIP,   /* a regular file that begins with 1f 8b */
    MR_INPUT_ZSTD,   /* a regular file that begins with a zstd (or skippable) frame's magic */
};

/* One input. Streams may turn out to be compressed when they are read: their first bytes tell. */
struct mr_input {
    char *path; /* as named, or as found in a directory; "-" is standard input */
    enum mr_input_kind kind;
    uint64_t size; /* bytes on disk; 0 for streams */
    struct timespec mtime;
    dev_t dev;
    ino_t ino;
};

#endif
