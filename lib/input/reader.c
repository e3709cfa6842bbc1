/* reader: hands out a split as blocks of whole records, to any number of threads at once.
 *
 * A plain file is cut in pieces of block_bytes, counted from the split's begin, which threads take
 * from one atomic cursor. To a piece [b, e) belong the records that begin in it. Whether one begins
 * at b is told by byte b - 1, so the piece is read from there; behind e it is read on to the end of
 * the record that holds byte e - 1. Usually one pread of a little more than a piece does it. A
 * piece that lies within one long record has no record of its own and makes no block. Each record
 * is thus handed out once, by whoever reads the piece it begins in, and blocks are a function of
 * the file and block_bytes.
 *
 * Streams and compressed inputs are read in order under the reader's lock: the caller fills its own
 * block to block_bytes, cuts it behind the last '\n' and leaves the rest, less than a block, as
 * `carry` to who comes next. A block without any '\n' is filled on, a block's length at a time.
 * Mapping happens outside of the lock, so with several threads one decompresses while others map.
 *
 * The first failure is kept and returned to all later callers. */
#include "lib/input/reader.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/number.h"
#include "lib/input/feed.h"
#include "lib/input/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OVERHANG_BYTES ((size_t)4096) /* read behind a piece at once: most records end within */

struct mr_reader {
    const char *name;
    struct mr_reader_options options;
    atomic_uint_fast64_t consumed;

    /* a plain file */
    int fd;
    uint64_t begin;
    uint64_t end;
    uint64_t listed; /* the size that the file had */
    atomic_uint_fast64_t pieces_taken;

    pthread_mutex_t lock;     /* for all below, but `failed` */
    struct mr_source *source; /* NULL for a plain file; itself never changed */
    struct mr_buffer carry;   /* the beginning of the next record */
    uint64_t offset;          /* of the carry's first byte */
    bool ended;
    atomic_bool failed;
    struct mr_error error; /* the first failure */
};

/* ---- opening, closing ---- */

static int open_plain(struct mr_reader *reader, const struct mr_input *input,
                      struct mr_error *err) {
    int status = mr_feed_open_descriptor(input, &reader->fd, err);
    if (status != MR_OK) {
        return status;
    }
    struct stat now;
    if (fstat(reader->fd, &now) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "stat \"%s\"", reader->name);
    }
    if (!S_ISREG(now.st_mode)) {
        return mr_error_set(err, MR_ERR_INPUT, "\"%s\" is not a regular file any more",
                            reader->name);
    }
    if (now.st_dev != input->dev || now.st_ino != input->ino) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "\"%s\" changed: another file has taken its place since the run began",
                            reader->name);
    }
    if ((uint64_t)now.st_size < input->size) {
        return mr_feed_shrunk(reader->name, input->size, (uint64_t)now.st_size, err);
    }
    (void)posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice: may fail */
    return MR_OK;
}

int mr_reader_open(const struct mr_input *input, const struct mr_split *split,
                   const struct mr_reader_options *options, struct mr_reader **reader,
                   struct mr_error *err) {
    struct mr_reader *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "opening an input");
    }
    made->name = mr_feed_name(input);
    made->options = *options;
    made->fd = -1;
    made->begin = split->begin;
    made->end = split->end < input->size ? split->end : input->size;
    made->listed = input->size;
    pthread_mutex_init(&made->lock, NULL);
    int status = input->kind == MR_INPUT_FILE
                     ? open_plain(made, input, err)
                     : mr_source_open(input, options->stop, options->windows, &made->source, err);
    if (status != MR_OK) {
        mr_reader_close(made);
        return status;
    }
    *reader = made;
    return MR_OK;
}

void mr_reader_close(struct mr_reader *reader) {
    if (!reader) {
        return;
    }
    if (reader->fd >= 0) {
        close(reader->fd); /* only read from: nothing can be lost */
    }
    mr_source_close(reader->source);
    mr_buffer_fini(&reader->carry);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}

uint64_t mr_reader_consumed(const struct mr_reader *reader) {
    return atomic_load_explicit(&reader->consumed, memory_order_relaxed);
}

void mr_reader_block_fini(struct mr_block *block) {
    mr_block_fini(block);
}

/* ---- the next block ---- */

static int next_of_source(struct mr_reader *reader, struct mr_block *block, struct mr_error *err);
static int next_of_file(struct mr_reader *reader, struct mr_block *block, struct mr_error *err);

/* With the lock held. */
static void keep_failure(struct mr_reader *reader, const struct mr_error *err) {
    if (!reader->error.code) {
        reader->error = *err;
        atomic_store(&reader->failed, true);
    }
}

/* With the lock held. */
static int tell_failure(const struct mr_reader *reader, struct mr_error *err) {
    return mr_error_set(err, reader->error.code, "%s", reader->error.text);
}

int mr_reader_next(struct mr_reader *reader, struct mr_block *block, struct mr_error *err) {
    int status;
    mr_block_release(block);
    if (!reader->source && !atomic_load(&reader->failed)) {
        status = next_of_file(reader, block, err);
        if (status >= 0) {
            return status;
        }
        pthread_mutex_lock(&reader->lock);
        keep_failure(reader, err);
    } else {
        pthread_mutex_lock(&reader->lock);
        if (reader->error.code) {
            status = tell_failure(reader, err);
        } else {
            status = next_of_source(reader, block, err);
            if (status < 0) {
                keep_failure(reader, err);
            }
        }
    }
    pthread_mutex_unlock(&reader->lock);
    return status;
}

/* ---- limits of records ---- */

static int fail_long(const struct mr_reader *reader, uint64_t offset, struct mr_error *err) {
    char limit[MR_NUMBER_TEXT_MAX];
    mr_number_put_size(limit, sizeof limit, reader->options.record_bytes_max);
    return mr_error_set(err, MR_ERR_INPUT,
                        "\"%s\": the record at byte %" PRIu64 " is longer than the limit of %s "
                        "(--max-record, and never more than a quarter of --memory)",
                        reader->name, offset, limit);
}

/* Sees that no record of a finished block is too long: 1, the block's status, where that is so. */
static int check_records(const struct mr_reader *reader, const struct mr_block *block,
                         struct mr_error *err) {
    uint64_t limit = reader->options.record_bytes_max;
    const char *next = block->bytes.data;
    const char *end = next + block->bytes.len;
    while ((uint64_t)(end - next) > limit) {
        const char *newline = memchr(next, '\n', (size_t)(end - next));
        const char *record_end = newline ? newline : end;
        if ((uint64_t)(record_end - next) > limit) {
            return fail_long(reader, block->offset + (uint64_t)(next - block->bytes.data), err);
        }
        next = record_end + 1; /* a '\n' was found, or this record would have been too long */
    }
    return 1;
}

/* ---- plain files ---- */

/* Reads `want` bytes more at `offset`, the file's byte behind those in `fill`. */
static int read_more(struct mr_reader *reader, struct mr_block_fill *fill, uint64_t offset,
                     size_t want, bool *at_end, struct mr_error *err) {
    size_t got = 0;
    int status = mr_block_reserve(fill, want, err);
    if (status != MR_OK) {
        return status;
    }
    if (mr_file_read(reader->fd, (int64_t)offset, mr_block_data(fill) + fill->len, want,
                     reader->name, &got, err)) {
        return mr_error_add(err, " (at byte %" PRIu64 ")", offset + got);
    }
    fill->len += got;
    *at_end = got < want;
    if (*at_end && offset + got < reader->listed) {
        return mr_feed_shrunk(reader->name, reader->listed, offset + got, err);
    }
    return MR_OK;
}

/* The last record of a piece, whose byte at `last` is the piece's last, goes on behind what was
 * read: reads on to its end. `base` is the offset of the data's first byte. */
static int finish_record(struct mr_reader *reader, struct mr_block_fill *fill, uint64_t base,
                         size_t last, size_t *end, struct mr_error *err) {
    const char *before = memrchr(mr_block_data(fill), '\n', last);
    size_t record = before ? (size_t)(before + 1 - mr_block_data(fill)) : 0;
    size_t step = OVERHANG_BYTES;
    bool at_end = false;
    while (!at_end) {
        if (fill->len - record > reader->options.record_bytes_max) {
            return fail_long(reader, base + record, err);
        }
        size_t seen = fill->len;
        int status = read_more(reader, fill, base + seen, step, &at_end, err);
        if (status != MR_OK) {
            return status;
        }
        const char *data = mr_block_data(fill);
        const char *newline = memchr(data + seen, '\n', fill->len - seen);
        if (newline) {
            *end = (size_t)(newline + 1 - data);
            return MR_OK;
        }
        step = 2 * step < reader->options.block_bytes ? 2 * step : reader->options.block_bytes;
    }
    *end = fill->len;
    return MR_OK;
}

/* Reads the records that begin in [begin, end): 1, or 0 where none does. */
static int read_piece(struct mr_reader *reader, uint64_t begin, uint64_t end,
                      struct mr_block *block, struct mr_error *err) {
    size_t lead = begin > 0; /* the byte before, which tells whether a record begins at `begin` */
    size_t len = lead + (size_t)(end - begin);
    uint64_t base = begin - lead;
    struct mr_block_fill fill;
    bool at_end = false;
    int status =
        mr_block_begin(&fill, block, reader->options.block_bytes + 1 + OVERHANG_BYTES, lead, err);
    fill.large = reader->options.large;
    fill.pool = reader->options.pool;
    if (status == MR_OK) {
        status = read_more(reader, &fill, base, len + OVERHANG_BYTES, &at_end, err);
    }
    if (status != MR_OK) {
        return status;
    }
    const char *data = mr_block_data(&fill);
    size_t start = 0;
    if (lead) {
        const char *newline = memchr(data, '\n', len - 1);
        if (!newline) {
            return 0;
        }
        start = (size_t)(newline + 1 - data);
    }
    const char *newline = memchr(data + len - 1, '\n', fill.len - (len - 1));
    size_t stop = newline ? (size_t)(newline + 1 - data) : fill.len;
    if (!newline && !at_end) {
        status = finish_record(reader, &fill, base, len - 1, &stop, err);
        if (status != MR_OK) {
            return status;
        }
    }
    mr_block_show(&fill, start, stop, base);
    return check_records(reader, block, err);
}

static int next_of_file(struct mr_reader *reader, struct mr_block *block, struct mr_error *err) {
    uint64_t piece_bytes = reader->options.block_bytes;
    int status = 0;
    while (status == 0) {
        uint64_t piece = atomic_fetch_add(&reader->pieces_taken, 1);
        uint64_t begin = reader->begin + piece * piece_bytes;
        if (begin >= reader->end) {
            return 0;
        }
        uint64_t end = reader->end - begin < piece_bytes ? reader->end : begin + piece_bytes;
        status = read_piece(reader, begin, end, block, err);
        atomic_fetch_add_explicit(&reader->consumed, end - begin, memory_order_relaxed);
    }
    return status;
}

/* ---- streams and compressed inputs ---- */

/* Takes the carry into `fill`. */
static void take_carry(struct mr_reader *reader, struct mr_block_fill *fill) {
    if (reader->carry.len > 0) {
        memcpy(mr_block_data(fill), reader->carry.data, reader->carry.len);
        fill->len = reader->carry.len;
        reader->carry.len = 0;
    }
}

/* Fills on until there is a whole record, or the input ends; stores where the last whole one ends.
 */
static int pull_records(struct mr_reader *reader, struct mr_block_fill *fill, size_t *end,
                        struct mr_error *err) {
    size_t want = reader->options.block_bytes - fill->len;
    for (;;) {
        int status = mr_block_reserve(fill, want, err);
        size_t got = 0;
        if (status == MR_OK) {
            mr_source_set_waits(reader->source, !fill->block->large);
            status =
                mr_source_pull(reader->source, mr_block_data(fill) + fill->len, want, &got, err);
        }
        if (status != MR_OK) {
            return status;
        }
        const char *data = mr_block_data(fill);
        const char *newline = got > 0 ? memrchr(data + fill->len, '\n', got) : NULL;
        fill->len += got;
        if (got < want) {
            reader->ended = true;
            *end = fill->len;
            return MR_OK;
        }
        if (newline) {
            *end = (size_t)(newline + 1 - data);
            return MR_OK;
        }
        if (fill->len > reader->options.record_bytes_max) {
            return fail_long(reader, reader->offset, err);
        }
        want = reader->options.block_bytes;
    }
}

/* With the lock held. */
static int next_of_source(struct mr_reader *reader, struct mr_block *block, struct mr_error *err) {
    if (reader->ended) {
        return 0;
    }
    struct mr_block_fill fill;
    size_t end = 0;
    int status = mr_block_begin(&fill, block, reader->options.block_bytes, 0, err);
    fill.large = reader->options.large;
    fill.pool = reader->options.pool;
    if (status != MR_OK) {
        return status;
    }
    take_carry(reader, &fill);
    status = pull_records(reader, &fill, &end, err);
    if (status == MR_OK) {
        status = mr_buffer_append(&reader->carry, mr_block_data(&fill) + end, fill.len - end, err);
    }
    if (status != MR_OK) {
        return status;
    }
    atomic_store_explicit(&reader->consumed, mr_source_consumed(reader->source),
                          memory_order_relaxed);
    mr_block_show(&fill, 0, end, reader->offset);
    reader->offset += end;
    return end == 0 ? 0 : check_records(reader, block, err);
}
