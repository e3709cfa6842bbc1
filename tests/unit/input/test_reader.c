/* test_reader: blocks of whole records, whoever reads them from whatever. */
#include "lib/input/reader.h"

#include "lib/input/inputs.h"
#include "tests/unit/input/scratch.h"

#include <pthread.h>

#define THREADS_MAX 4
#define KIB ((size_t)1024)

/* What threads read together: the blocks' bytes at their offsets, and how often each byte was
 * handed out. */
struct gathered {
    struct mr_reader *reader;
    pthread_mutex_t lock;
    unsigned char *data;
    unsigned char *times;
    size_t room;
    size_t end;
    size_t blocks;
    size_t longest;
    uint64_t digest; /* of the set of (offset, length) */
    int status;
    struct mr_error err;
};

static void keep_block(struct gathered *gathered, const struct mr_block *block) {
    size_t offset = (size_t)block->offset;
    size_t len = block->bytes.len;
    unsigned sum = 0;
    for (int i = 1; i <= MR_READER_PADDING; i++) { /* what a sanitizer can see */
        sum += (unsigned char)block->bytes.data[-i];
        sum += (unsigned char)block->bytes.data[len + (size_t)i - 1];
    }
    pthread_mutex_lock(&gathered->lock);
    bool fits = len > 0 && offset + len <= gathered->room && sum <= 2 * 64 * 255;
    if (fits) {
        memcpy(gathered->data + offset, block->bytes.data, len);
        for (size_t i = 0; i < len; i++) {
            gathered->times[offset + i]++;
        }
        gathered->end = offset + len > gathered->end ? offset + len : gathered->end;
        gathered->blocks++;
        gathered->longest = len > gathered->longest ? len : gathered->longest;
        gathered->digest += (offset * 0x9e3779b97f4a7c15U) ^ (len * 0xc2b2ae3d27d4eb4fU);
    } else {
        gathered->status = MR_ERR_INTERNAL;
    }
    pthread_mutex_unlock(&gathered->lock);
}

static void *read_blocks(void *arg) {
    struct gathered *gathered = arg;
    struct mr_block block = {0};
    struct mr_error err = {0};
    int status;
    while ((status = mr_reader_next(gathered->reader, &block, &err)) == 1) {
        keep_block(gathered, &block);
    }
    struct mr_error again = {0};
    int later = mr_reader_next(gathered->reader, &block, &again);
    pthread_mutex_lock(&gathered->lock);
    if (later != status || strcmp(err.text, again.text) != 0) {
        gathered->status = MR_ERR_INTERNAL;
    } else if (status < 0) {
        gathered->status = status;
        gathered->err = err;
    }
    pthread_mutex_unlock(&gathered->lock);
    mr_reader_block_fini(&block);
    return NULL;
}

/* Reads a split by some threads; `room` is at least what it holds. Release with gathered_fini. */
static struct gathered gather(const struct mr_input *input, struct mr_split split,
                              const struct mr_reader_options *options, int threads, size_t room) {
    struct gathered gathered = {.lock = PTHREAD_MUTEX_INITIALIZER, .room = room};
    gathered.data = calloc(1, room + 1);
    gathered.times = calloc(1, room + 1);
    cr_assert(gathered.data && gathered.times);
    gathered.status = mr_reader_open(input, &split, options, &gathered.reader, &gathered.err);
    if (gathered.status != MR_OK) {
        return gathered;
    }
    pthread_t ids[THREADS_MAX];
    for (int i = 0; i < threads; i++) {
        cr_assert_eq(pthread_create(&ids[i], NULL, read_blocks, &gathered), 0);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    if (gathered.status == MR_OK && input->kind == MR_INPUT_FILE) {
        uint64_t end = split.end < input->size ? split.end : input->size;
        cr_assert_eq(mr_reader_consumed(gathered.reader), end - split.begin);
    } else if (gathered.status == MR_OK && input->size > 0) {
        cr_assert_eq(mr_reader_consumed(gathered.reader), input->size);
    }
    mr_reader_close(gathered.reader);
    return gathered;
}

static void gathered_fini(struct gathered *gathered) {
    free(gathered->data);
    free(gathered->times);
}

/* The bytes [begin, end) were handed out once, and no others. */
static void check_bytes(const struct gathered *gathered, const struct blob *text, size_t begin,
                        size_t end) {
    cr_assert_eq(gathered->status, 0, "%s", gathered->err.text);
    for (size_t i = 0; i < gathered->room; i++) {
        unsigned times = i >= begin && i < end;
        cr_assert_eq(gathered->times[i], times, "byte %zu", i);
    }
    if (end > begin) {
        cr_assert(memcmp(gathered->data + begin, text->data + begin, end - begin) == 0);
    }
}

static struct mr_input input_of(struct scratch *scratch, const char *name,
                                enum mr_input_kind kind) {
    struct stat info;
    static char path[256];
    snprintf(path, sizeof path, "%s", scratch_path(scratch, name));
    cr_assert_eq(stat(path, &info), 0);
    uint64_t size = kind == MR_INPUT_STREAM ? 0 : (uint64_t)info.st_size;
    return (struct mr_input){
        .path = path, .kind = kind, .size = size, .dev = info.st_dev, .ino = info.st_ino};
}

static const struct mr_split whole = {.begin = 0, .end = UINT64_MAX};

/* Reads a file whole by 1 to 4 threads; sees the text come, in the same blocks each time. */
static void check_file(struct scratch *scratch, const char *name, enum mr_input_kind kind,
                       const struct blob *text, size_t block_bytes) {
    struct mr_input input = input_of(scratch, name, kind);
    struct mr_reader_options options = {.block_bytes = block_bytes, .record_bytes_max = 1U << 30};
    uint64_t digest = 0;
    for (int threads = 1; threads <= THREADS_MAX; threads++) {
        struct gathered gathered = gather(&input, whole, &options, threads, text->len);
        check_bytes(&gathered, text, 0, text->len);
        digest = threads == 1 ? gathered.digest : digest;
        cr_assert_eq(gathered.digest, digest, "the blocks depend on the threads");
        gathered_fini(&gathered);
    }
}

static void check_all_kinds(const struct blob *text, size_t block_bytes) {
    struct scratch scratch;
    struct blob gzip = blob_gzip(text->data, text->len);
    struct blob zstd = blob_zstd(text->data, text->len);
    scratch_make(&scratch);
    scratch_write(&scratch, "plain", text->data, text->len);
    scratch_write(&scratch, "gzip", gzip.data, gzip.len);
    scratch_write(&scratch, "zstd", zstd.data, zstd.len);
    check_file(&scratch, "plain", MR_INPUT_FILE, text, block_bytes);
    check_file(&scratch, "plain", MR_INPUT_STREAM, text, block_bytes);
    check_file(&scratch, "gzip", MR_INPUT_GZIP, text, block_bytes);
    check_file(&scratch, "gzip", MR_INPUT_STREAM, text, block_bytes);
    check_file(&scratch, "zstd", MR_INPUT_ZSTD, text, block_bytes);
    check_file(&scratch, "zstd", MR_INPUT_STREAM, text, block_bytes);
    scratch_remove(&scratch);
    blob_fini(&gzip);
    blob_fini(&zstd);
}

Test(reader, short_records) {
    struct blob text = blob_lines(300 * KIB, 60, 1);
    check_all_kinds(&text, 4 * KIB);
    check_all_kinds(&text, 64 * KIB);
    blob_fini(&text);
}

Test(reader, final_newline) {
    struct blob text = blob_lines(64 * KIB, 60, 2);
    text.data[text.len - 1] = '\n'; /* the last byte of the last piece */
    check_all_kinds(&text, 4 * KIB);
    blob_fini(&text);
}

Test(reader, records_longer_than_blocks) {
    struct blob text = blob_lines(300 * KIB, 9000, 3);
    check_all_kinds(&text, 1 * KIB);
    check_all_kinds(&text, 4 * KIB);
    blob_fini(&text);
}

Test(reader, one_record_only) {
    struct blob text = blob_lines(100 * KIB, 0, 4);
    memset(text.data, 'x', text.len);
    check_all_kinds(&text, 4 * KIB);
    text.data[text.len - 1] = '\n';
    check_all_kinds(&text, 4 * KIB);
    blob_fini(&text);
}

Test(reader, only_newlines) {
    struct blob text = blob_lines(40 * KIB, 0, 5);
    memset(text.data, '\n', text.len);
    check_all_kinds(&text, 4 * KIB);
    blob_fini(&text);
}

/* Newlines at every place around the ends of pieces. */
Test(reader, every_place_of_a_newline) {
    struct scratch scratch;
    char data[48];
    scratch_make(&scratch);
    for (size_t first = 0; first < sizeof data; first++) {
        for (size_t second = first; second < sizeof data; second += 5) {
            memset(data, 'x', sizeof data);
            data[first] = '\n';
            data[second] = '\n';
            struct blob text = {(unsigned char *)data, sizeof data};
            scratch_write(&scratch, "file", data, sizeof data);
            check_file(&scratch, "file", MR_INPUT_FILE, &text, 16);
            check_file(&scratch, "file", MR_INPUT_STREAM, &text, 16);
        }
    }
    scratch_remove(&scratch);
}

Test(reader, empty_inputs) {
    struct blob text = {0};
    check_all_kinds(&text, 4 * KIB);
}

/* Where the first record at or behind `at` begins. */
static size_t record_from(const struct blob *text, size_t at) {
    if (at == 0 || at >= text->len) {
        return at < text->len ? at : text->len;
    }
    const unsigned char *newline = memchr(text->data + at - 1, '\n', text->len - at + 1);
    return newline ? (size_t)(newline + 1 - text->data) : text->len;
}

Test(reader, splits_share_no_record_and_lose_none) {
    struct scratch scratch;
    struct blob text = blob_lines(20 * KIB, 700, 6);
    struct mr_reader_options options = {.block_bytes = 1 * KIB, .record_bytes_max = 1 << 20};
    scratch_make(&scratch);
    scratch_write(&scratch, "file", text.data, text.len);
    struct mr_input input = input_of(&scratch, "file", MR_INPUT_FILE);
    for (size_t cut = 1; cut < text.len; cut += 97) {
        struct mr_split left = {.begin = 0, .end = cut};
        struct mr_split right = {.begin = cut, .end = text.len};
        size_t border = record_from(&text, cut);
        struct gathered gathered = gather(&input, left, &options, 1, text.len);
        check_bytes(&gathered, &text, 0, border);
        gathered_fini(&gathered);
        gathered = gather(&input, right, &options, 2, text.len);
        check_bytes(&gathered, &text, border, text.len);
        gathered_fini(&gathered);
    }
    scratch_remove(&scratch);
    blob_fini(&text);
}

Test(reader, a_block_shrinks_after_a_long_record) {
    struct scratch scratch;
    struct mr_error err = {0};
    struct mr_block block = {0};
    struct mr_reader *reader = NULL;
    struct mr_reader_options options = {.block_bytes = 64 * KIB, .record_bytes_max = 64U << 20};
    struct blob text = blob_lines((64U << 20) + 65537 + 200 * KIB, 60, 7);
    size_t begin = (size_t)((unsigned char *)memchr(text.data + 100, '\n', 100) - text.data) + 1;
    memset(text.data + begin, 'x', 64U << 20);
    text.data[begin + (64U << 20)] = '\n'; /* a record of exactly 64 MiB */
    scratch_make(&scratch);
    scratch_write(&scratch, "file", text.data, text.len);
    for (int kind = MR_INPUT_FILE; kind <= MR_INPUT_STREAM; kind++) {
        struct mr_input input = input_of(&scratch, "file", (enum mr_input_kind)kind);
        cr_assert_eq(mr_reader_open(&input, &whole, &options, &reader, &err), 0);
        size_t largest = 0;
        uint64_t next = 0;
        while (mr_reader_next(reader, &block, &err) == 1) {
            cr_assert_eq(block.offset, next);
            cr_assert(memcmp(block.bytes.data, text.data + next, block.bytes.len) == 0);
            next += block.bytes.len;
            largest = block.bytes.len > largest ? block.bytes.len : largest;
        }
        cr_assert_eq(err.code, 0, "%s", err.text);
        cr_assert_eq(next, text.len);
        cr_assert_gt(largest, 64U << 20);
        cr_assert_lt(block.capacity, 256 * KIB, "%zu bytes kept", block.capacity);
        mr_reader_close(reader);
    }
    mr_reader_block_fini(&block);
    scratch_remove(&scratch);
    blob_fini(&text);
}

/* Reads a file in one thread; the sentence must hold `words`. */
static void check_failure(struct scratch *scratch, const char *name, enum mr_input_kind kind,
                          const struct mr_reader_options *options, size_t room, const char *words) {
    struct mr_input input = input_of(scratch, name, kind);
    struct gathered gathered = gather(&input, whole, options, 1, room);
    cr_assert_eq(gathered.status, MR_ERR_INPUT, "%d: %s", gathered.status, gathered.err.text);
    cr_assert_not_null(strstr(gathered.err.text, name), "%s", gathered.err.text);
    cr_assert_not_null(strstr(gathered.err.text, words), "%s", gathered.err.text);
    gathered_fini(&gathered);
}

static void check_too_long(size_t before, size_t len, size_t limit, size_t block_bytes, bool good) {
    struct scratch scratch;
    struct mr_reader_options options = {.block_bytes = block_bytes, .record_bytes_max = limit};
    struct blob text = {calloc(1, before + len + 100), before + len + 100};
    char words[96];
    cr_assert_not_null(text.data);
    memset(text.data, '\n', text.len);
    memset(text.data + before, 'x', len);
    snprintf(words, sizeof words, "file\": the record at byte %zu is longer than the limit of",
             before);
    scratch_make(&scratch);
    scratch_write(&scratch, "file", text.data, text.len);
    for (int kind = MR_INPUT_FILE; kind <= MR_INPUT_STREAM; kind++) {
        if (good) {
            check_file(&scratch, "file", (enum mr_input_kind)kind, &text, block_bytes);
        } else {
            check_failure(&scratch, "file", (enum mr_input_kind)kind, &options, text.len, words);
        }
    }
    scratch_remove(&scratch);
    blob_fini(&text);
}

Test(reader, records_over_the_limit) {
    check_too_long(10, 100000, 100000, 4 * KIB, true);
    check_too_long(10, 100001, 100000, 4 * KIB, false);
    check_too_long(0, 1 << 20, 100000, 4 * KIB, false);
    check_too_long(5000, 1 << 20, 100000, 4 * KIB, false);
    check_too_long(500, 101, 100, 4 * KIB, false); /* within a block */
    check_too_long(4050, 101, 100, 4 * KIB, false);
    check_too_long(4000, 100, 100, 4 * KIB, true);
}

Test(reader, every_cut_of_compressed_data_fails_with_a_sentence) {
    struct scratch scratch;
    struct mr_reader_options options = {.block_bytes = 4 * KIB, .record_bytes_max = 1 << 20};
    struct blob text = blob_lines(2 * KIB, 30, 8);
    struct blob gzip = blob_gzip(text.data, text.len);
    struct blob zstd = blob_zstd(text.data, text.len);
    char words[64];
    scratch_make(&scratch);
    for (size_t cut = 0; cut < gzip.len; cut++) {
        scratch_write(&scratch, "cut.gz", gzip.data, cut);
        snprintf(words, sizeof words, "cut off: the file ends at byte %zu", cut);
        check_failure(&scratch, "cut.gz", MR_INPUT_GZIP, &options, text.len, words);
    }
    for (size_t cut = 0; cut < zstd.len; cut++) {
        scratch_write(&scratch, "cut.zst", zstd.data, cut);
        snprintf(words, sizeof words, "cut off: the file ends at byte %zu", cut);
        check_failure(&scratch, "cut.zst", MR_INPUT_ZSTD, &options, text.len, words);
    }
    scratch_remove(&scratch);
    blob_fini(&text);
    blob_fini(&gzip);
    blob_fini(&zstd);
}

/* A flipped bit is found, or (in a gzip header's time, name or flags) means nothing; never wrong
 * text. */
static void check_flips(const struct blob *packed, const struct blob *text, const char *name,
                        enum mr_input_kind kind) {
    struct scratch scratch;
    struct mr_reader_options options = {.block_bytes = 4 * KIB, .record_bytes_max = 1 << 20};
    size_t room = 64 * KIB; /* for what a flipped bit can make of the text */
    scratch_make(&scratch);
    size_t found = 0;
    for (size_t i = 0; i < packed->len; i++) {
        packed->data[i] ^= (unsigned char)(1U << (i % 8));
        scratch_write(&scratch, name, packed->data, packed->len);
        packed->data[i] ^= (unsigned char)(1U << (i % 8));
        struct mr_input input = input_of(&scratch, name, kind);
        struct gathered gathered = gather(&input, whole, &options, 1, room);
        if (gathered.status == MR_OK) {
            cr_assert_eq(gathered.end, text->len);
            cr_assert(memcmp(gathered.data, text->data, text->len) == 0, "byte %zu", i);
        } else {
            cr_assert_eq(gathered.status, MR_ERR_INPUT);
            cr_assert_not_null(strstr(gathered.err.text, name), "%s", gathered.err.text);
            found++;
        }
        gathered_fini(&gathered);
    }
    cr_assert_gt(found, packed->len - 12);
    scratch_remove(&scratch);
}

Test(reader, flipped_bits_of_compressed_data) {
    struct blob text = blob_lines(1 * KIB, 30, 9);
    struct blob gzip = blob_gzip(text.data, text.len);
    struct blob zstd = blob_zstd(text.data, text.len);
    check_flips(&gzip, &text, "flip.gz", MR_INPUT_GZIP);
    check_flips(&zstd, &text, "flip.zst", MR_INPUT_ZSTD);
    blob_fini(&text);
    blob_fini(&gzip);
    blob_fini(&zstd);
}

/* Members of many sizes, empty ones too, so that their ends fall everywhere in windows and blocks.
 */
static struct blob pack_pieces(const struct blob *text, struct blob (*pack)(const void *, size_t)) {
    struct blob packed = {0};
    size_t at = 0;
    for (size_t len = 0; at < text->len; len = len * 5 / 4 + 1) {
        size_t piece = text->len - at < len ? text->len - at : len;
        struct blob member = pack(text->data + at, piece);
        blob_append(&packed, member.data, member.len);
        blob_fini(&member);
        at += piece;
    }
    return packed;
}

Test(reader, members_frames_padding_garbage) {
    struct scratch scratch;
    struct mr_reader_options options = {.block_bytes = 4 * KIB, .record_bytes_max = 1 << 20};
    struct blob text = blob_lines(600 * KIB, 60, 10);
    struct blob gzip = pack_pieces(&text, blob_gzip);
    struct blob zstd = pack_pieces(&text, blob_zstd);
    static const char padding[300 * 1024];
    char words[96];
    scratch_make(&scratch);
    scratch_write(&scratch, "x.gz", gzip.data, gzip.len);
    check_file(&scratch, "x.gz", MR_INPUT_GZIP, &text, 4 * KIB);
    snprintf(words, sizeof words, "garbage behind the gzip data, at byte %zu", gzip.len);
    blob_append(&gzip, "garbage", 7);
    scratch_write(&scratch, "x.gz", gzip.data, gzip.len);
    check_failure(&scratch, "x.gz", MR_INPUT_GZIP, &options, text.len, words);
    gzip.len -= 7;
    blob_append(&gzip, padding, sizeof padding);
    scratch_write(&scratch, "x.gz", gzip.data, gzip.len);
    check_file(&scratch, "x.gz", MR_INPUT_GZIP, &text, 4 * KIB);
    snprintf(words, sizeof words, "garbage behind the gzip data, at byte %zu", gzip.len);
    blob_append(&gzip, "\x1f\x8b", 2);
    scratch_write(&scratch, "x.gz", gzip.data, gzip.len);
    check_failure(&scratch, "x.gz", MR_INPUT_GZIP, &options, text.len, words);

    blob_append(&zstd, "\x53\x2a\x4d\x18\x05\0\0\0skip!", 13);
    scratch_write(&scratch, "x.zst", zstd.data, zstd.len);
    check_file(&scratch, "x.zst", MR_INPUT_ZSTD, &text, 4 * KIB);
    snprintf(words, sizeof words, "garbage behind the zstd data, at byte %zu", zstd.len);
    blob_append(&zstd, "\0\0\0\0", 4);
    scratch_write(&scratch, "x.zst", zstd.data, zstd.len);
    check_failure(&scratch, "x.zst", MR_INPUT_ZSTD, &options, text.len, words);
    scratch_remove(&scratch);
    blob_fini(&text);
    blob_fini(&gzip);
    blob_fini(&zstd);
}

/* Found by fuzzing: a frame of 1560 bytes whose only block is empty. */
Test(reader, a_zstd_frame_that_holds_less_than_it_promises) {
    static const char frame[] = "\x28\xb5\x2f\xfd\x50\x2a\x18\x05\x05\x00\x00";
    struct scratch scratch;
    scratch_make(&scratch);
    scratch_write(&scratch, "x.zst", frame, sizeof frame - 1);
    for (size_t block_bytes = 256; block_bytes <= 4 * KIB; block_bytes *= 2) {
        struct mr_reader_options options = {.block_bytes = block_bytes, .record_bytes_max = KIB};
        check_failure(&scratch, "x.zst", MR_INPUT_ZSTD, &options, 4 * KIB,
                      "the zstd data is corrupt near byte ");
    }
    scratch_remove(&scratch);
}

Test(reader, a_gzip_header_with_everything_in_it) {
    static const unsigned char head[] = "\x1f\x8b\x08\x1c\0\0\0\0\0\x03"
                                        "\x06\0extra!name\0comment";
    struct scratch scratch;
    struct blob text = blob_lines(3 * KIB, 30, 11);
    struct blob plain = blob_gzip(text.data, text.len);
    struct blob rich = {0};
    blob_append(&rich, head, sizeof head);
    blob_append(&rich, plain.data + 10, plain.len - 10);
    scratch_make(&scratch);
    scratch_write(&scratch, "rich.gz", rich.data, rich.len);
    check_file(&scratch, "rich.gz", MR_INPUT_GZIP, &text, 4 * KIB);
    scratch_remove(&scratch);
    blob_fini(&text);
    blob_fini(&plain);
    blob_fini(&rich);
}

Test(reader, a_file_that_shrinks) {
    struct scratch scratch;
    struct mr_reader_options options = {.block_bytes = 4 * KIB, .record_bytes_max = 1 << 20};
    struct blob text = blob_lines(64 * KIB, 60, 12);
    struct mr_error err = {0}, changed = {0};
    struct mr_block block = {0};
    struct mr_reader *reader = NULL;
    scratch_make(&scratch);
    scratch_write(&scratch, "file", text.data, text.len);
    struct mr_input input = input_of(&scratch, "file", MR_INPUT_FILE);
    input.ino++; /* another file under the same name is not what was listed */
    cr_assert_eq(mr_reader_open(&input, &whole, &options, &reader, &changed), MR_ERR_INPUT);
    input.ino--;
    cr_assert_eq(mr_reader_open(&input, &whole, &options, &reader, &err), 0);
    cr_assert_eq(mr_reader_next(reader, &block, &err), 1);
    cr_assert_eq(truncate(input.path, 30000), 0);
    int status;
    while ((status = mr_reader_next(reader, &block, &err)) == 1) {
    }
    cr_assert_eq(status, MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text,
                              "file\" shrank while it was being read: it held 65536 bytes "
                              "when it was listed, now it ends at byte 30000"),
                       "%s", err.text);
    mr_reader_close(reader);
    err = (struct mr_error){0};
    cr_assert_eq(mr_reader_open(&input, &whole, &options, &reader, &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "shrank"));
    input.kind = MR_INPUT_GZIP;
    struct gathered gathered = gather(&input, whole, &options, 1, text.len);
    cr_assert_eq(gathered.status, MR_ERR_INPUT);
    gathered_fini(&gathered);
    mr_reader_block_fini(&block);
    scratch_remove(&scratch);
    blob_fini(&text);
}

Test(reader, a_file_that_is_gone) {
    struct mr_input input = {.path = "/nowhere/x", .kind = MR_INPUT_FILE, .size = 1};
    struct mr_reader_options options = {.block_bytes = 4 * KIB, .record_bytes_max = 1 << 20};
    struct mr_reader *reader = NULL;
    for (int kind = MR_INPUT_FILE; kind <= MR_INPUT_ZSTD; kind++) {
        struct mr_error err = {0};
        input.kind = (enum mr_input_kind)kind;
        cr_assert_eq(mr_reader_open(&input, &whole, &options, &reader, &err), MR_ERR_INPUT);
        cr_assert_str_eq(err.text, "open \"/nowhere/x\": No such file or directory");
        cr_assert_null(reader);
    }
}

struct fifo_writer {
    const char *path;
    const struct blob *data;
};

static void *write_fifo(void *arg) {
    const struct fifo_writer *writer = arg;
    int fd = open(writer->path, O_WRONLY | O_CLOEXEC);
    size_t done = 0;
    while (fd >= 0 && done < writer->data->len) {
        size_t len = writer->data->len - done;
        ssize_t count = write(fd, writer->data->data + done, done < 8 ? 1 : len < 999 ? len : 999);
        if (count <= 0) {
            break;
        }
        done += (size_t)count;
    }
    close(fd);
    return NULL;
}

Test(reader, a_fifo_plain_and_compressed) {
    struct scratch scratch;
    struct blob text = blob_lines(200 * KIB, 60, 13);
    struct blob packed[] = {blob_gzip(text.data, text.len), blob_zstd(text.data, text.len), text};
    struct mr_reader_options options = {.block_bytes = 4 * KIB, .record_bytes_max = 1 << 20};
    scratch_make(&scratch);
    cr_assert_eq(mkfifo(scratch_path(&scratch, "fifo"), 0600), 0);
    struct mr_input input = input_of(&scratch, "fifo", MR_INPUT_STREAM);
    for (size_t i = 0; i < 3; i++) {
        struct fifo_writer writer = {input.path, &packed[i]};
        pthread_t id;
        cr_assert_eq(pthread_create(&id, NULL, write_fifo, &writer), 0);
        struct gathered gathered = gather(&input, whole, &options, 3, text.len);
        pthread_join(id, NULL);
        check_bytes(&gathered, &text, 0, text.len);
        gathered_fini(&gathered);
        blob_fini(&packed[i]);
    }
    scratch_remove(&scratch);
}

static void *stop_soon(void *arg) {
    usleep(50000);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

Test(reader, waiting_for_a_stream_can_be_stopped) {
    struct scratch scratch;
    atomic_bool stop = false;
    struct mr_reader_options options = {
        .block_bytes = 4 * KIB, .record_bytes_max = 1 << 20, .stop = &stop};
    pthread_t id;
    scratch_make(&scratch);
    cr_assert_eq(mkfifo(scratch_path(&scratch, "fifo"), 0600), 0);
    struct mr_input input = input_of(&scratch, "fifo", MR_INPUT_STREAM);
    cr_assert_eq(pthread_create(&id, NULL, stop_soon, &stop), 0);
    struct gathered gathered = gather(&input, whole, &options, 2, 10);
    pthread_join(id, NULL);
    cr_assert_eq(gathered.status, MR_ERR_INTERRUPTED, "%s", gathered.err.text);
    cr_assert_eq(gathered.blocks, 0u);
    gathered_fini(&gathered);
    scratch_remove(&scratch);
}
