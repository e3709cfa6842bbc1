/* map_output: a map attempt's output as one immutable file that says whose it is. */
#include "lib/record/map_output.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/record/cursor.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 1u
#define HEADER_BYTES 64 /* MR_MAP_OUTPUT_HEADER */
#define ROW_BYTES 48
#define TRAILER_BYTES 64
#define SEAL_AT 56 /* in header and trailer: XXH3-64 of what stands before */
#define NAME "a map output"

static const char header_magic[8] = {'M', 'R', 'M', 'A', 'P', 'O', 'U', 'T'};
static const char trailer_magic[8] = {'M', 'R', 'M', 'A', 'P', 'E', 'N', 'D'};

struct mr_map_output {
    int fd;
    struct mr_run_block *blocks;
    size_t block_count;
    struct mr_map_output_identity identity;
    struct mr_map_output_summary summary;
};

static void put32(unsigned char *out, uint32_t value) {
    value = htole32(value);
    memcpy(out, &value, sizeof value);
}

static void put64(unsigned char *out, uint64_t value) {
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

static uint32_t get32(const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static uint64_t get64(const unsigned char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

static void seal(unsigned char *out) {
    put64(out + SEAL_AT, mr_hash_xxh3(out, SEAL_AT));
}

static bool is_sealed(const unsigned char *at) {
    return get64(at + SEAL_AT) == mr_hash_xxh3(at, SEAL_AT);
}

/* ---- writing ----------------------------------------------------------------------------------*/

static void encode_header(const struct mr_map_output_identity *identity,
                          unsigned char out[HEADER_BYTES]) {
    memset(out, 0, HEADER_BYTES);
    memcpy(out, header_magic, sizeof header_magic);
    put32(out + 8, VERSION);
    out[12] = (unsigned char)identity->order;
    out[13] = (unsigned char)identity->value;
    memcpy(out + 16, identity->job, sizeof identity->job);
    put32(out + 32, identity->round);
    put32(out + 36, identity->task);
    put32(out + 40, identity->attempt);
    put32(out + 44, identity->partitions);
    seal(out);
}

int mr_map_output_create(struct mr_map_output_writer *writer, struct mr_pool *pool, const char *dir,
                         const char *path, const struct mr_map_output_identity *identity,
                         struct mr_error *err) {
    unsigned char header[HEADER_BYTES];
    *writer = (struct mr_map_output_writer){.identity = *identity};
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", path);
    }
    encode_header(identity, header);
    if (mr_run_writer_open_file(&writer->run, pool, fd, HEADER_BYTES, dir, err) ||
        mr_hash_create(&writer->digest.hash, err) ||
        mr_file_write_at(fd, 0, header, sizeof header, NAME, err)) {
        mr_map_output_abandon(writer);
        return err->code;
    }
    writer->run.digest = &writer->digest;
    return MR_OK;
}

static void encode_row(const struct mr_run_block *block, unsigned char out[ROW_BYTES]) {
    put64(out, block->offset);
    put64(out + 8, block->xxh3);
    put64(out + 16, block->first.hi);
    put64(out + 24, block->first.lo);
    put32(out + 32, block->len);
    put32(out + 36, block->records);
    put32(out + 40, block->partition);
    put32(out + 44, block->full_len);
}

/* Writes the index and the trailer behind the blocks. */
static int write_footer(const struct mr_run *run, uint64_t digest, struct mr_error *err) {
    size_t index_bytes = run->block_count * ROW_BYTES;
    unsigned char *out = calloc(1, index_bytes + TRAILER_BYTES);
    if (!out) {
        return mr_error_nomem(err, "writing the index of a map output");
    }
    for (size_t i = 0; i < run->block_count; i++) {
        encode_row(&run->blocks[i], out + i * ROW_BYTES);
    }
    unsigned char *trailer = out + index_bytes;
    put64(trailer, run->file_bytes);
    put64(trailer + 8, run->block_count);
    put64(trailer + 16, run->records);
    put64(trailer + 24, run->bytes);
    put64(trailer + 32, digest);
    put64(trailer + 40, mr_hash_xxh3(out, index_bytes));
    memcpy(trailer + 48, trailer_magic, sizeof trailer_magic);
    seal(trailer);
    int status =
        mr_file_write_at(run->fd, run->file_bytes, out, index_bytes + TRAILER_BYTES, NAME, err);
    free(out);
    return status;
}

int mr_map_output_finish(struct mr_map_output_writer *writer, struct mr_map_output_summary *summary,
                         struct mr_error *err) {
    struct mr_run *run = NULL;
    if (!mr_run_writer_finish(&writer->run, &run, err)) {
        uint64_t digest = mr_run_digest_end(&writer->digest);
        if (!write_footer(run, digest, err)) {
            *summary = (struct mr_map_output_summary){
                .records = run->records,
                .bytes = run->file_bytes + run->block_count * ROW_BYTES + TRAILER_BYTES,
                .digest = digest};
        }
        struct mr_error closing = {0};
        if (mr_file_close(&run->fd, NAME, &closing) && !err->code) {
            *err = closing;
        }
        mr_run_destroy(run);
    }
    mr_map_output_abandon(writer);
    return err->code;
}

void mr_map_output_abandon(struct mr_map_output_writer *writer) {
    if (writer->run.run) {
        mr_run_writer_abandon(&writer->run);
    }
    mr_hash_destroy(writer->digest.hash);
    *writer = (struct mr_map_output_writer){0};
}

/* ---- reading ----------------------------------------------------------------------------------*/

int mr_map_output_open(const char *path, const struct mr_map_output_identity *identity,
                       struct mr_map_output **output, struct mr_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open the map output \"%s\"", path);
    }
    return mr_map_output_open_file(fd, path, identity, output, err);
}

static int refuse(const char *name, const char *why, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_IO, "the map output \"%s\" can't be used: %s", name, why);
}

static int read_whole(int fd, uint64_t offset, void *into, size_t len, const char *name,
                      struct mr_error *err) {
    size_t got = 0;
    if (mr_file_read(fd, (int64_t)offset, into, len, name, &got, err)) {
        return err->code;
    }
    return got == len ? MR_OK : refuse(name, "it is cut off", err);
}

/* What a header that is not the wanted one says instead. */
static const char *compare_header(const unsigned char *found, const unsigned char *wanted) {
    static const struct {
        size_t begin;
        size_t end;
        const char *words;
    } fields[] = {
        {8, 12, "it is of another version of the format"},
        {12, 16, "its order or kind of value is another"},
        {16, 32, "it is another job's"},
        {32, 36, "it is another round's"},
        {36, 40, "it is another task's"},
        {40, 44, "it is another attempt's"},
        {44, SEAL_AT, "it has another number of partitions"},
    };
    if (memcmp(found, header_magic, sizeof header_magic) != 0) {
        return "it is no map output";
    }
    if (!is_sealed(found)) {
        return "its header is damaged";
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t begin = fields[i].begin;
        if (memcmp(found + begin, wanted + begin, fields[i].end - begin) != 0) {
            return fields[i].words;
        }
    }
    return NULL;
}

static int check_header(const struct mr_map_output *output, const char *name,
                        struct mr_error *err) {
    unsigned char found[HEADER_BYTES];
    unsigned char wanted[HEADER_BYTES];
    if (read_whole(output->fd, 0, found, sizeof found, name, err)) {
        return err->code;
    }
    encode_header(&output->identity, wanted);
    const char *why = compare_header(found, wanted);
    return why ? refuse(name, why, err) : MR_OK;
}

/* Where a file's parts lie, as its trailer says. */
struct layout {
    uint64_t index;
    uint64_t blocks;
    uint64_t records;
    uint64_t bytes;
    uint64_t index_xxh3;
};

static int read_trailer(struct mr_map_output *output, const char *name, uint64_t size,
                        struct layout *layout, struct mr_error *err) {
    unsigned char trailer[TRAILER_BYTES];
    if (read_whole(output->fd, size - TRAILER_BYTES, trailer, sizeof trailer, name, err)) {
        return err->code;
    }
    if (memcmp(trailer + 48, trailer_magic, sizeof trailer_magic) != 0 || !is_sealed(trailer)) {
        return refuse(name, "its end is missing or damaged", err);
    }
    *layout = (struct layout){.index = get64(trailer),
                              .blocks = get64(trailer + 8),
                              .records = get64(trailer + 16),
                              .bytes = get64(trailer + 24),
                              .index_xxh3 = get64(trailer + 40)};
    output->summary = (struct mr_map_output_summary){layout->records, size, get64(trailer + 32)};
    uint64_t room = size - HEADER_BYTES - TRAILER_BYTES;
    if (layout->blocks > room / ROW_BYTES || layout->bytes != room - layout->blocks * ROW_BYTES ||
        layout->index != HEADER_BYTES + layout->bytes) {
        return refuse(name, "its parts don't fit its size", err);
    }
    return MR_OK;
}

/* Decodes a row; false where it does not follow the one before. */
static bool decode_row(const struct mr_map_output *output, const unsigned char *at, uint64_t offset,
                       uint32_t partition, struct mr_run_block *block) {
    *block = (struct mr_run_block){.offset = get64(at),
                                   .xxh3 = get64(at + 8),
                                   .first = {get64(at + 16), get64(at + 24)},
                                   .len = get32(at + 32),
                                   .records = get32(at + 36),
                                   .partition = get32(at + 40),
                                   .full_len = get32(at + 44)};
    return block->offset == offset && block->len && block->records &&
           block->partition >= partition && block->partition < output->identity.partitions &&
           block->full_len >= block->len;
}

static int decode_index(struct mr_map_output *output, const unsigned char *rows,
                        const struct layout *layout, const char *name, struct mr_error *err) {
    uint64_t offset = HEADER_BYTES;
    uint64_t records = 0;
    uint32_t partition = 0;
    for (size_t i = 0; i < output->block_count; i++) {
        struct mr_run_block *block = &output->blocks[i];
        if (!decode_row(output, rows + i * ROW_BYTES, offset, partition, block)) {
            return refuse(name, "its index is malformed", err);
        }
        offset += block->len;
        records += block->records;
        partition = block->partition;
    }
    return offset == layout->index && records == layout->records
               ? MR_OK
               : refuse(name, "its index does not add up", err);
}

static int read_index(struct mr_map_output *output, const struct layout *layout, const char *name,
                      struct mr_error *err) {
    size_t bytes = (size_t)layout->blocks * ROW_BYTES;
    unsigned char *rows = malloc(bytes + 1);
    output->block_count = (size_t)layout->blocks;
    output->blocks = calloc(output->block_count + 1, sizeof *output->blocks);
    if (!rows || !output->blocks) {
        mr_error_nomem(err, "reading the index of a map output");
    } else if (!read_whole(output->fd, layout->index, rows, bytes, name, err)) {
        (void)!(mr_hash_xxh3(rows, bytes) == layout->index_xxh3
                    ? decode_index(output, rows, layout, name, err)
                    : refuse(name, "its index is damaged", err));
    }
    free(rows);
    return err->code;
}

static int read_all(struct mr_map_output *output, const char *name, struct mr_error *err) {
    struct stat about;
    struct layout layout = {0};
    if (fstat(output->fd, &about) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "look at the map output \"%s\"", name);
    }
    if (about.st_size < HEADER_BYTES + TRAILER_BYTES) {
        return refuse(name, "it is cut off", err);
    }
    if (check_header(output, name, err) ||
        read_trailer(output, name, (uint64_t)about.st_size, &layout, err)) {
        return err->code;
    }
    return read_index(output, &layout, name, err);
}

int mr_map_output_open_file(int fd, const char *name, const struct mr_map_output_identity *identity,
                            struct mr_map_output **output, struct mr_error *err) {
    struct mr_map_output *made = calloc(1, sizeof *made);
    if (!made) {
        (void)close(fd); /* only read from */
        return mr_error_nomem(err, "opening a map output");
    }
    made->fd = fd;
    made->identity = *identity;
    if (read_all(made, name, err)) {
        mr_map_output_close(made);
        return err->code;
    }
    *output = made;
    return MR_OK;
}

void mr_map_output_close(struct mr_map_output *output) {
    if (!output) {
        return;
    }
    (void)close(output->fd); /* only read from */
    free(output->blocks);
    free(output);
}

/* The rows of a partition. */
static void find_rows(const struct mr_map_output *output, uint32_t partition, size_t *begin,
                      size_t *end) {
    struct mr_run all = {.blocks = output->blocks, .block_count = output->block_count};
    struct mr_key_range everything = {0};
    *begin = 0;
    *end = output->block_count;
    if (partition != MR_MAP_OUTPUT_ALL) {
        mr_cursor_blocks(&all, partition, &everything, begin, end);
    }
}

int mr_map_output_run(const struct mr_map_output *output, uint32_t partition, struct mr_pool *pool,
                      struct mr_run **run, struct mr_error *err) {
    size_t begin;
    size_t end;
    find_rows(output, partition, &begin, &end);
    struct mr_run *made = calloc(1, sizeof *made);
    struct mr_run_block *blocks = malloc((end - begin + 1) * sizeof *blocks);
    int fd = fcntl(output->fd, F_DUPFD_CLOEXEC, 0);
    if (!made || !blocks || fd < 0) {
        int reason = errno;
        free(made);
        free(blocks);
        if (fd >= 0) {
            (void)close(fd);
            return mr_error_nomem(err, "reading a map output");
        }
        return mr_error_errno(err, MR_ERR_IO, reason, "open a map output again");
    }
    memcpy(blocks, output->blocks + begin, (end - begin) * sizeof *blocks);
    *made = (struct mr_run){.pool = pool,
                            .blocks = blocks,
                            .block_count = end - begin,
                            .block_capacity = end - begin,
                            .level = 1,
                            .fd = fd};
    for (size_t i = 0; i < made->block_count; i++) {
        made->records += blocks[i].records;
        made->bytes += blocks[i].len;
        made->block_max = blocks[i].len > made->block_max ? blocks[i].len : made->block_max;
    }
    made->file_bytes = made->bytes;
    *run = made;
    return MR_OK;
}

struct mr_map_output_summary mr_map_output_summary(const struct mr_map_output *output) {
    return output->summary;
}

/* ---- for who moves files ----------------------------------------------------------------------*/

int mr_map_output_identify(const char *path, struct mr_map_output_identity *identity,
                           struct mr_error *err) {
    unsigned char header[HEADER_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open the map output \"%s\"", path);
    }
    int status = read_whole(fd, 0, header, sizeof header, path, err);
    (void)close(fd); /* only read from */
    if (status) {
        return status;
    }
    if (memcmp(header, header_magic, sizeof header_magic) != 0 || !is_sealed(header) ||
        get32(header + 8) != VERSION) {
        return refuse(path, "its header is damaged, or of another version", err);
    }
    *identity = (struct mr_map_output_identity){.round = get32(header + 32),
                                                .task = get32(header + 36),
                                                .attempt = get32(header + 40),
                                                .partitions = get32(header + 44),
                                                .order = (enum mr_map_output_order)header[12],
                                                .value = (enum mr_value)header[13]};
    memcpy(identity->job, header + 16, sizeof identity->job);
    return MR_OK;
}

void mr_map_output_extent(const struct mr_map_output *output, uint32_t partition, uint64_t *begin,
                          uint64_t *end) {
    size_t first;
    size_t last;
    find_rows(output, partition, &first, &last);
    *begin = *end = HEADER_BYTES;
    if (first < last) {
        *begin = output->blocks[first].offset;
        *end = output->blocks[last - 1].offset + output->blocks[last - 1].len;
    }
}

uint64_t mr_map_output_index(const struct mr_map_output *output) {
    return output->summary.bytes - TRAILER_BYTES - output->block_count * ROW_BYTES;
}

int mr_map_output_check(const struct mr_map_output *output, uint32_t partition,
                        struct mr_error *err) {
    struct mr_run run = {.fd = output->fd, .blocks = output->blocks};
    size_t begin;
    size_t end;
    char *into = NULL;
    size_t room = 0;
    find_rows(output, partition, &begin, &end);
    for (size_t i = begin; i < end && !err->code; i++) {
        const struct mr_run_block *block = &output->blocks[i];
        if (block->len > room) {
            free(into);
            room = block->len;
            into = malloc(room);
        }
        (void)!(into ? mr_run_read_block(&run, block, into, err)
                     : mr_error_nomem(err, "checking a map output"));
    }
    free(into);
    return err->code;
}
