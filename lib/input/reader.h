/* reader: hands out a split as blocks of whole records, to any number of threads at once. */
#ifndef MR_INPUT_READER_H
#define MR_INPUT_READER_H

#include "lib/input/block.h"
#include "lib/input/splits.h"
#include "lib/input/windows.h"
#include <stdatomic.h>

/* A thread's own struct mr_block (see block.h) is released with mr_reader_block_fini. */
#define MR_READER_PADDING MR_BLOCK_PADDING

struct mr_reader; /* opaque */

struct mr_reader_options {
    /* What a block usually holds: a power of two, usually 64 KiB to 1 MiB. */
    size_t block_bytes;
    /* A longer record (its '\n' not counted) fails, named with its file and offset: MR_ERR_INPUT.
     */
    uint64_t record_bytes_max;
    /* May be NULL. Held by whoever has a block of several times block_bytes, until the next
     * call with that block, so that one thread at a time takes so much memory. */
    pthread_mutex_t *large;
    /* May be NULL. Such blocks count in it. */
    struct mr_pool *pool;
    /* May be NULL. Where decompressors take their windows from. */
    struct mr_windows *windows;
    /* May be NULL. Once true, waiting for a stream's bytes ends with MR_ERR_INTERRUPTED. */
    const atomic_bool *stop;
};

/* Opens the input of a split. The file must still be at least as large as it was when it was
 * listed. Decompressors are created here for compressed inputs. `input` and what the options point
 * to are borrowed until the reader is closed. */
MR_MUST_USE int mr_reader_open(const struct mr_input *input, const struct mr_split *split,
                               const struct mr_reader_options *options, struct mr_reader **reader,
                               struct mr_error *err);

/* Takes the next block: 1, or 0 when the split is used up, or a negative status (which later calls,
 * from any thread, return too). Any thread may call it at any time, with a block of its own. Plain
 * files: the range is handed out in block_bytes pieces by an atomic cursor and each caller reads
 * its own piece with pread, outside of any lock. Others: the caller that holds the reader's lock
 * reads and decompresses its own next block. Blocks never depend on the number of threads (a
 * stream's depend on its bytes alone). A record longer than a block makes its block larger; the
 * next call with that block gives the memory back. Errors (MR_ERR_INPUT for content, MR_ERR_IO for
 * EIO and the like) name file and offset: a truncated or corrupt .gz or .zst, trailing garbage
 * behind the last member, a file that ended before the size it was listed with, a record longer
 * than the limit. */
MR_MUST_USE int mr_reader_next(struct mr_reader *reader, struct mr_block *block,
                               struct mr_error *err);

/* Bytes of the file consumed so far (compressed bytes for compressed inputs): for progress. Any
 * thread. */
uint64_t mr_reader_consumed(const struct mr_reader *reader);

void mr_reader_close(struct mr_reader *reader);
void mr_reader_block_fini(struct mr_block *block);

#endif
