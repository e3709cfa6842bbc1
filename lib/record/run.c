/* run: a sorted sequence of key/value records in blocks, in memory or on disk. */
#include "lib/record/run.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/hash.h"
#include <endian.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD_HEADER_MAX 10 /* two varints of 32 bits */
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

/* Adds a block to the digest: its partition where that is a new one, then its records. */
static void digest_block(struct mr_run_writer *writer, uint32_t partition, const char *data,
                         size_t len) {
    const struct mr_run *run = writer->run;
    bool is_new = !run->block_count || run->blocks[run->block_count - 1].partition != partition;
    uint32_t mark = htole32(partition);
    if (writer->digest) {
        mr_hash_update(writer->digest, &mark, is_new ? sizeof mark : 0);
        mr_hash_update(writer->digest, data, len);
    }
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
                                 .records = writer->records,
                                 .partition = writer->partition,
                                 .first = writer->first};
    bool keep_open = run->fd >= 0 && writer->capacity == MR_RUN_BLOCK_BYTES;
    if (run->fd >= 0) {
        digest_block(writer, block.partition, writer->data, block.len);
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
    writer->records = 0;
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

/* Appends bytes to the block that is being written to disk in pieces. */
static int write_piece(struct mr_run_writer *writer, struct mr_hash *hash,
                       struct mr_run_block *block, const char *data, size_t len,
                       struct mr_error *err) {
    struct mr_run *run = writer->run;
    if (len && mr_file_write_at(run->fd, run->file_bytes, data, len, "a scratch file", err)) {
        return err->code;
    }
    mr_hash_update(hash, data, len);
    if (writer->digest) {
        mr_hash_update(writer->digest, data, len);
    }
    run->file_bytes += len;
    block->len += (uint32_t)len;
    return MR_OK;
}

/* Writes a long record as a block of its own, from where it lies: without a copy. */
static int write_long(struct mr_run_writer *writer, const struct mr_run_block *start,
                      struct mr_bytes key, struct mr_bytes value, struct mr_error *err) {
    struct mr_run *run = writer->run;
    struct mr_run_block block = *start;
    struct mr_hash *hash = NULL;
    char header[RECORD_HEADER_MAX];
    size_t header_len = (size_t)(put_varint(put_varint(header, key.len), value.len) - header);
    if (close_block(writer, err) || reserve_block_row(run, err) || mr_hash_create(&hash, err)) {
        return err->code;
    }
    block.offset = run->file_bytes;
    digest_block(writer, block.partition, NULL, 0);
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

int mr_run_writer_add(struct mr_run_writer *writer, uint32_t partition, struct mr_prefix prefix,
                      struct mr_bytes key, struct mr_bytes value, struct mr_error *err) {
    size_t need = RECORD_HEADER_MAX + key.len + value.len;
    bool fits = writer->data && writer->len + need <= writer->capacity;
    if (!fits || partition != writer->partition || !writer->records) {
        if (key.len >= PAIR_BYTES_MAX || value.len >= PAIR_BYTES_MAX - key.len) {
            return mr_error_set(err, MR_ERR_JOB, "a pair of %zu bytes: the limit is 2 GiB",
                                key.len + value.len);
        }
        if (writer->run->fd >= 0 && need > MR_RUN_BLOCK_BYTES) {
            struct mr_run_block block = {.records = 1, .partition = partition, .first = prefix};
            return write_long(writer, &block, key, value, err);
        }
        size_t exact = varint_len(key.len) + varint_len(value.len) + key.len + value.len;
        if (open_block(writer, partition, need > MR_RUN_BLOCK_BYTES ? exact : need, err)) {
            return err->code;
        }
        writer->first = prefix;
    }
    char *out = writer->data + writer->len;
    out = put_varint(out, key.len);
    out = put_varint(out, value.len);
    if (key.len <= sizeof prefix) { /* the block has slack for the bytes behind a shorter key */
        uint64_t words[2] = {htobe64(prefix.hi), htobe64(prefix.lo)};
        memcpy(out, words, sizeof words);
    } else {
        memcpy(out, key.data, key.len);
    }
    out += key.len;
    if (value.len) {
        memcpy(out, value.data, value.len);
        out += value.len;
    }
    writer->len = (size_t)(out - writer->data);
    writer->records++;
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
