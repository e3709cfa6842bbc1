/* run: a sorted sequence of key/value records in blocks, in memory or on disk. */
#include "lib/record/run.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/hash.h"
#include <endian.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD_HEADER_MAX 11                    /* a byte, two varints of 32 bits */
#define FULL_BYTES_MAX (4 * MR_RUN_BLOCK_BYTES) /* in a block, with keys in full */
#define PAIR_BYTES_MAX ((size_t)1 << 31)

struct mr_prefix mr_run_prefix(const char *key, size_t len) {
    uint64_t words[2] = {0, 0};
    if (len) {
        memcpy(words, key, len < sizeof words ? len : sizeof words);
    }
    return (struct mr_prefix){be64toh(words[0]), be64toh(words[1])};
}

const char *mr_run_get_varint(const char *at, const char *end, uint32_t *value) {
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 35 && at < end; shift += 7) {
        uint8_t byte = (uint8_t)*at++;
        result |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *value = (uint32_t)result;
            return result <= UINT32_MAX ? at : NULL;
        }
    }
    return NULL;
}

static char *take_block(struct mr_pool *pool, size_t len) {
    return len > MR_RUN_BLOCK_BYTES ? mr_pool_take_large(pool, len + MR_RUN_SLACK)
                                    : mr_pool_take(pool);
}

static void give_block(struct mr_pool *pool, char *data, size_t len) {
    if (len > MR_RUN_BLOCK_BYTES) {
        mr_pool_give_large(pool, data, len + MR_RUN_SLACK);
    } else {
        mr_pool_give(pool, data);
    }
}

void mr_run_destroy(struct mr_run *run) {
    if (!run) {
        return;
    }
    for (size_t i = 0; i < run->block_count; i++) {
        if (run->blocks[i].data) {
            give_block(run->pool, run->blocks[i].data, run->blocks[i].len);
        }
    }
    if (run->fd >= 0) {
        close(run->fd); /* unnamed scratch: nothing to lose */
    }
    free(run->blocks);
    free(run);
}

int mr_run_writer_open(struct mr_run_writer *writer, struct mr_pool *pool, const char *tmp,
                       struct mr_error *err) {
    *writer = (struct mr_run_writer){0};
    struct mr_run *run = calloc(1, sizeof *run);
    if (!run) {
        return mr_error_nomem(err, "starting a run");
    }
    run->pool = pool;
    run->fd = -1;
    writer->run = run;
    if (tmp && mr_run_writer_to_disk(writer, tmp, err)) {
        mr_run_writer_abandon(writer);
        return err->code;
    }
    return MR_OK;
}

int mr_run_writer_open_file(struct mr_run_writer *writer, struct mr_pool *pool, int fd,
                            uint64_t offset, const char *dir, struct mr_error *err) {
    if (mr_run_writer_open(writer, pool, NULL, err)) {
        close(fd); /* nothing was written to it */
        return err->code;
    }
    writer->tmp = dir;
    writer->run->fd = fd;
    writer->run->file_bytes = offset;
    return MR_OK;
}

static int write_block(struct mr_run *run, struct mr_run_block *block, const char *data,
                       struct mr_error *err) {
    block->xxh3 = mr_hash_xxh3(data, block->len);
    block->offset = run->file_bytes;
    if (mr_file_write_at(run->fd, block->offset, data, block->len, "a scratch file", err)) {
        return err->code;
    }
    run->file_bytes += block->len;
    return MR_OK;
}

static int explain_spill(const char *tmp, struct mr_error *err) {
    return mr_error_add(
        err, " (spilling to %s; --tmp names another place, more --memory spills less)", tmp);
}

int mr_run_writer_to_disk(struct mr_run_writer *writer, const char *tmp, struct mr_error *err) {
    struct mr_run *run = writer->run;
    writer->tmp = tmp;
    if (mr_file_scratch(tmp, &run->fd, err)) {
        return err->code;
    }
    for (size_t i = 0; i < run->block_count; i++) {
        struct mr_run_block *block = &run->blocks[i];
        if (write_block(run, block, block->data, err)) {
            return explain_spill(tmp, err);
        }
        give_block(run->pool, block->data, block->len);
        block->data = NULL;
    }
    return MR_OK;
}

static int reserve_block_row(struct mr_run *run, struct mr_error *err) {
    if (run->block_count < run->block_capacity) {
        return MR_OK;
    }
    size_t capacity = run->block_capacity ? run->block_capacity * 2 : 8;
    struct mr_run_block *blocks = realloc(run->blocks, capacity * sizeof *blocks);
    if (!blocks) {
        return mr_error_nomem(err, "growing the index of a run");
    }
    run->blocks = blocks;
    run->block_capacity = capacity;
    return MR_OK;
}

/* Enters a written block in the index, where there is room for it. */
static void add_block(struct mr_run *run, const struct mr_run_block *block) {
    run->blocks[run->block_count++] = *block;
    run->records += block->records;
    run->bytes += block->len;
    run->block_max = block->len > run->block_max ? block->len : run->block_max;
}

/* Moves the open block into the run. */
static int close_block(struct mr_run_writer *writer, struct mr_error *err) {
    struct mr_run *run = writer->run;
    if (!writer->records) {
        return MR_OK;
    }
    if (reserve_block_row(run, err)) {
        return err->code;
    }
    struct mr_run_block block = {.len = (uint32_t)writer->len,
                                 .full_len = (uint32_t)(writer->len + writer->shared),
                                 .records = writer->records,
                                 .partition = writer->partition,
                                 .first = writer->first};
    bool keep_open = run->fd >= 0 && writer->capacity == MR_RUN_BLOCK_BYTES;
    if (run->fd >= 0) {
        if (write_block(run, &block, writer->data, err)) {
            return explain_spill(writer->tmp, err);
        }
        if (!keep_open) {
            give_block(run->pool, writer->data, writer->capacity);
        }
    } else {
        block.data = writer->data;
    }
    add_block(run, &block);
    if (!keep_open) {
        writer->data = NULL;
    }
    writer->len = 0;
    writer->shared = 0;
    writer->records = 0;
    writer->last_len = 0;
    return MR_OK;
}

/* Makes the open block one that takes `need` bytes more, of this partition. */
static int open_block(struct mr_run_writer *writer, uint32_t partition, size_t need,
                      struct mr_error *err) {
    if (close_block(writer, err)) {
        return err->code;
    }
    writer->partition = partition;
    size_t capacity = need > MR_RUN_BLOCK_BYTES ? need : MR_RUN_BLOCK_BYTES;
    if (writer->data && capacity != writer->capacity) {
        give_block(writer->run->pool, writer->data, writer->capacity);
        writer->data = NULL;
    }
    if (!writer->data) {
        writer->data = take_block(writer->run->pool, capacity);
        writer->capacity = capacity;
    }
    return writer->data ? MR_OK : mr_error_nomem(err, "writing a sorted run");
}

static size_t varint_len(size_t value) {
    size_t len = 1;
    while (value >= 0x80) {
        value >>= 7;
        len++;
    }
    return len;
}

static char *put_varint(char *out, size_t value) {
    while (value >= 0x80) {
        *out++ = (char)(value | 0x80);
        value >>= 7;
    }
    *out++ = (char)value;
    return out;
}

static void digest_bytes(struct mr_run_digest *digest, const void *data, size_t len) {
    if (digest->len + len > sizeof digest->staged) {
        mr_hash_update(digest->hash, digest->staged, digest->len);
        digest->len = 0;
    }
    if (len > sizeof digest->staged) {
        mr_hash_update(digest->hash, data, len);
    } else if (len) {
        memcpy(digest->staged + digest->len, data, len);
        digest->len += len;
    }
}

static void digest_record(struct mr_run_digest *digest, uint32_t partition, struct mr_bytes key,
                          struct mr_bytes value) {
    if (!digest->has_begun || digest->partition != partition) {
        uint32_t mark = htole32(partition);
        digest_bytes(digest, &mark, sizeof mark);
        digest->has_begun = true;
        digest->partition = partition;
    }
    char lengths[RECORD_HEADER_MAX];
    char *end = put_varint(put_varint(lengths, key.len), value.len);
    digest_bytes(digest, lengths, (size_t)(end - lengths));
    digest_bytes(digest, key.data, key.len);
    digest_bytes(digest, value.data, value.len);
}

uint64_t mr_run_digest_end(struct mr_run_digest *digest) {
    mr_hash_update(digest->hash, digest->staged, digest->len);
    digest->len = 0;
    return mr_hash_digest(digest->hash);
}

static char *put_header(char *out, size_t shared, size_t rest, size_t value_len) {
    *out++ = (char)shared;
    return put_varint(put_varint(out, rest), value_len);
}

/* Appends bytes to the block that is being written to disk in pieces. */
static int write_piece(struct mr_run_writer *writer, struct mr_hash *hash,
                       struct mr_run_block *block, const char *data, size_t len,
                       struct mr_error *err) {
    struct mr_run *run = writer->run;
    if (len && mr_file_write_at(run->fd, run->file_bytes, data, len, "a scratch file", err)) {
        return err->code;
    }
    mr_hash_update(hash, data, len);
    run->file_bytes += len;
    block->len += (uint32_t)len;
    block->full_len = block->len;
    return MR_OK;
}

/* Writes a long record as a block of its own, from where it lies: without a copy. */
static int write_long(struct mr_run_writer *writer, const struct mr_run_block *start,
                      struct mr_bytes key, struct mr_bytes value, struct mr_error *err) {
    struct mr_run *run = writer->run;
    struct mr_run_block block = *start;
    struct mr_hash *hash = NULL;
    char header[RECORD_HEADER_MAX];
    size_t header_len = (size_t)(put_header(header, 0, key.len, value.len) - header);
    if (close_block(writer, err) || reserve_block_row(run, err) || mr_hash_create(&hash, err)) {
        return err->code;
    }
    block.offset = run->file_bytes;
    if (write_piece(writer, hash, &block, header, header_len, err) ||
        write_piece(writer, hash, &block, key.data, key.len, err) ||
        write_piece(writer, hash, &block, value.data, value.len, err)) {
        (void)!explain_spill(writer->tmp, err);
    } else {
        block.xxh3 = mr_hash_digest(hash);
        add_block(run, &block);
    }
    mr_hash_destroy(hash);
    return err->code;
}

/* How many of the first `most` bytes, from the `same`-th on, are the same. */
static size_t common(const char *a, const char *b, size_t same, size_t most) {
    for (; same + 8 <= most; same += 8) {
        uint64_t left, right;
        memcpy(&left, a + same, sizeof left);
        memcpy(&right, b + same, sizeof right);
        if (left != right) {
            return same + (size_t)__builtin_clzll(be64toh(left ^ right)) / 8;
        }
    }
    while (same < most && a[same] == b[same]) {
        same++;
    }
    return same;
}

/* How many bytes a key shares with the one before it in the block. */
static size_t shared_with_last(const struct mr_run_writer *writer, struct mr_prefix prefix,
                               struct mr_bytes key) {
    uint64_t high = prefix.hi ^ writer->last_prefix.hi;
    uint64_t low = prefix.lo ^ writer->last_prefix.lo;
    size_t most = key.len < writer->last_len ? key.len : writer->last_len;
    if (!(high | low)) {
        return most > sizeof prefix ? common(key.data, writer->last, sizeof prefix, most) : most;
    }
    size_t shared = (high ? 0 : 8) + (size_t)__builtin_clzll(high ? high : low) / 8;
    return shared < most ? shared : most;
}

#define STEP 16 /* bytes copied at once, where more than are wanted may be */

/* Keeps a key of which `shared` bytes are there already, to be shared by the next. */
static void keep_last(struct mr_run_writer *writer, struct mr_prefix prefix, struct mr_bytes key,
                      size_t shared) {
    writer->last_prefix = prefix;
    writer->last_len = key.len;
    if (key.len <= sizeof prefix) {
        uint64_t words[2] = {htobe64(prefix.hi), htobe64(prefix.lo)};
        memcpy(writer->last, words, sizeof words);
        return;
    }
    for (size_t at = shared; at + STEP < key.len; at += STEP) {
        memcpy(writer->last + at, key.data + at, STEP);
    }
    memcpy(writer->last + key.len - STEP, key.data + key.len - STEP, STEP);
}

/* Puts what the block needs of a key, with its header; there is room, and slack behind. */
static char *put_key(struct mr_run_writer *writer, struct mr_prefix prefix, struct mr_bytes key,
                     size_t value_len, char *out) {
    if (key.len > MR_RUN_SHARED_MAX) {
        writer->last_len = 0;
        out = put_header(out, 0, key.len, value_len);
        memcpy(out, key.data, key.len);
        return out + key.len;
    }
    size_t shared = shared_with_last(writer, prefix, key), rest = key.len - shared;
    writer->shared += shared;
    keep_last(writer, prefix, key, shared);
    out = put_header(out, shared, rest, value_len);
    for (size_t at = 0; at < rest; at += STEP) {
        memcpy(out + at, writer->last + shared + at, STEP);
    }
    return out + rest;
}

/* Appends a record to the open block, which has room. */
static void put_record(struct mr_run_writer *writer, struct mr_prefix prefix, struct mr_bytes key,
                       struct mr_bytes value) {
    char *out = put_key(writer, prefix, key, value.len, writer->data + writer->len);
    if (value.len == 1) { /* most are */
        *out++ = *value.data;
    } else if (value.len) {
        memcpy(out, value.data, value.len);
        out += value.len;
    }
    writer->len = (size_t)(out - writer->data);
    writer->records++;
}

int mr_run_writer_add(struct mr_run_writer *writer, uint32_t partition, struct mr_prefix prefix,
                      struct mr_bytes key, struct mr_bytes value, struct mr_error *err) {
    size_t need = RECORD_HEADER_MAX + key.len + value.len;
    bool fits = writer->data && writer->len + need <= writer->capacity &&
                writer->len + writer->shared + need <= FULL_BYTES_MAX;
    if (writer->digest) {
        digest_record(writer->digest, partition, key, value);
    }
    if (!fits || partition != writer->partition || !writer->records) {
        if (key.len >= PAIR_BYTES_MAX || value.len >= PAIR_BYTES_MAX - key.len) {
            return mr_error_set(err, MR_ERR_JOB, "a pair of %zu bytes: the limit is 2 GiB",
                                key.len + value.len);
        }
        if (writer->run->fd >= 0 && need > MR_RUN_BLOCK_BYTES) {
            struct mr_run_block block = {.records = 1, .partition = partition, .first = prefix};
            return write_long(writer, &block, key, value, err);
        }
        size_t exact = 1 + varint_len(key.len) + varint_len(value.len) + key.len + value.len;
        if (open_block(writer, partition, need > MR_RUN_BLOCK_BYTES ? exact : need, err)) {
            return err->code;
        }
        writer->first = prefix;
    }
    put_record(writer, prefix, key, value);
    return MR_OK;
}

int mr_run_writer_finish(struct mr_run_writer *writer, struct mr_run **run, struct mr_error *err) {
    if (close_block(writer, err)) {
        mr_run_writer_abandon(writer);
        return err->code;
    }
    *run = writer->run;
    if (writer->data) {
        give_block(writer->run->pool, writer->data, writer->capacity);
    }
    *writer = (struct mr_run_writer){0};
    return MR_OK;
}

void mr_run_writer_abandon(struct mr_run_writer *writer) {
    if (writer->data) {
        give_block(writer->run->pool, writer->data, writer->capacity);
    }
    mr_run_destroy(writer->run);
    *writer = (struct mr_run_writer){0};
}

int mr_run_read_block(const struct mr_run *run, const struct mr_run_block *block, char *into,
                      struct mr_error *err) {
    size_t got = 0;
    if (mr_file_read(run->fd, (int64_t)block->offset, into, block->len, "a scratch file", &got,
                     err)) {
        return err->code;
    }
    if (got != block->len || mr_hash_xxh3(into, block->len) != block->xxh3) {
        return mr_error_set(err, MR_ERR_IO,
                            "a scratch file gave back other bytes than were written, at offset "
                            "%llu: the disk is failing",
                            (unsigned long long)block->offset);
    }
    return MR_OK;
}

char *mr_run_buffer_take(const struct mr_run *run) {
    return take_block(run->pool, run->block_max);
}

void mr_run_buffer_give(const struct mr_run *run, char *buffer) {
    give_block(run->pool, buffer, run->block_max);
}
