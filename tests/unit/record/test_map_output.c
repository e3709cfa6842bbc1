/* test_map_output: what is written comes back as a run; nothing that was changed is believed. */
#include "lib/record/map_output.h"

#include "lib/base/hash.h"
#include "lib/record/cursor.h"
#include "tests/unit/record/pairs.h"
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct mr_map_output_identity whose = {
    .job = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    .round = 1,
    .task = 7,
    .attempt = 2,
    .partitions = 3,
    .order = MR_MAP_OUTPUT_BY_KEY,
    .value = MR_SUM_U64,
};

/* A file in a folder of its own, and the pool. */
struct place {
    char dir[64];
    char path[96];
    struct mr_pool *pool;
};

static struct place make_place(void) {
    struct place place = {.dir = "/tmp/mr-map-output-XXXXXX"};
    struct mr_error err = {0};
    cr_assert_not_null(mkdtemp(place.dir));
    snprintf(place.path, sizeof place.path, "%s/map", place.dir);
    cr_assert_eq(mr_pool_create(&place.pool, &err), 0);
    return place;
}

static void end_place(struct place *place) {
    unlink(place->path);
    cr_assert_eq(rmdir(place->dir), 0);
    cr_assert_eq(mr_pool_bytes(place->pool), (size_t)0);
    mr_pool_destroy(place->pool);
}

static struct mr_map_output_summary write_pairs(struct place *place, const struct pairs *pairs,
                                                const struct mr_map_output_identity *identity) {
    struct mr_map_output_writer writer;
    struct mr_map_output_summary summary = {0};
    struct mr_error err = {0};
    cr_assert_eq(
        mr_map_output_create(&writer, place->pool, place->dir, place->path, identity, &err), 0,
        "%s", err.text);
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *pair = &pairs->items[i];
        cr_assert_eq(mr_run_writer_add(&writer.run, pair->partition,
                                       mr_run_prefix(pair->key.data, pair->key.len), pair->key,
                                       pair->value, &err),
                     0);
    }
    cr_assert_eq(mr_map_output_finish(&writer, &summary, &err), 0, "%s", err.text);
    return summary;
}

static struct mr_bytes read_file(const char *path) {
    int fd = open(path, O_RDONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    char *data = malloc((size_t)size);
    cr_assert_not_null(data);
    cr_assert_eq(pread(fd, data, (size_t)size, 0), (ssize_t)size);
    close(fd);
    return (struct mr_bytes){data, (size_t)size};
}

/* Opens bytes as a file. */
static int open_bytes(struct mr_bytes bytes, const struct mr_map_output_identity *identity,
                      struct mr_map_output **output, struct mr_error *err) {
    int fd = memfd_create("map", MFD_CLOEXEC);
    cr_assert_eq(write(fd, bytes.data, bytes.len), (ssize_t)bytes.len);
    return mr_map_output_open_file(fd, "map", identity, output, err);
}

/* Reads a run to its end; stores how many records of which partition it saw equal to `expected`. */
static int compare_run(const struct mr_run *run, uint32_t partition, const struct pairs *expected,
                       struct mr_error *err) {
    struct mr_cursor cursor = {0};
    struct mr_key_range all = {0};
    size_t nth = 0;
    if (mr_cursor_open(&cursor, run, partition, &all, err)) {
        return err->code;
    }
    while (!mr_cursor_step(&cursor, err) && !cursor.at_end) {
        while (expected && expected->items[nth].partition != partition) {
            nth++;
        }
        if (expected) {
            cr_assert(pairs_equal(cursor.key, expected->items[nth].key));
            cr_assert(pairs_equal(cursor.value, expected->items[nth].value));
        }
        nth++;
    }
    mr_cursor_close(&cursor);
    while (expected && !err->code && nth < expected->count) {
        cr_assert_neq(expected->items[nth++].partition, partition);
    }
    return err->code;
}

/* Opens bytes and reads every partition; the status of the first failure. */
static int read_all(struct mr_bytes bytes, const struct mr_map_output_identity *identity,
                    struct mr_pool *pool, const struct pairs *expected, struct mr_error *err) {
    struct mr_map_output *output = NULL;
    if (open_bytes(bytes, identity, &output, err)) {
        return err->code;
    }
    for (uint32_t p = 0; p < identity->partitions && !err->code; p++) {
        struct mr_run *run = NULL;
        if (!mr_map_output_run(output, p, pool, &run, err)) {
            (void)!compare_run(run, p, expected, err);
        }
        mr_run_destroy(run);
    }
    mr_map_output_close(output);
    return err->code;
}

static struct pairs few_pairs(void) {
    struct pairs pairs = {0};
    pairs_add(&pairs, 0, mr_bytes_text("a longer key than sixteen"), mr_bytes_text(""));
    pairs_add(&pairs, 0, mr_bytes_text("apple"), mr_bytes_text("\x05"));
    pairs_add(&pairs, 2, mr_bytes_text("pear"), mr_bytes_text("\x01\x02"));
    return pairs;
}

/* The layout is a promise: docs/run-format.md. */
Test(map_output, golden_bytes) {
    static const char golden[] =
        /* header */
        "4d524d41504f555401000000010100000001020304050607"
        "08090a0b0c0d0e0f01000000070000000200000003000000"
        "00000000000000004d25e47c246223ff"
        /* blocks */
        "00190061206c6f6e676572206b6579207468616e207369787465656e01040170706c6505"
        "000402706561720102";
    struct place place = make_place();
    struct pairs pairs = few_pairs();
    struct mr_map_output_summary summary = write_pairs(&place, &pairs, &whose);
    struct mr_bytes file = read_file(place.path);
    char text[4096] = "";
    for (size_t i = 0; i < file.len; i++) {
        snprintf(text + 2 * i, 3, "%02x", (unsigned char)file.data[i]);
    }
    cr_assert_eq(file.len, (size_t)(64 + 36 + 9 + 2 * 48 + 64));
    cr_assert_eq(summary.bytes, (uint64_t)file.len);
    cr_assert_eq(memcmp(text, golden, sizeof golden - 1), 0, "%s", text);
    /* index: two rows, the first at offset 64; trailer: where the index is, and the counts */
    const char *index = text + 2 * 109;
    const char *trailer = index + 2 * 96;
    cr_assert_eq(memcmp(index, "4000000000000000", 16), 0, "%s", index);
    cr_assert_eq(memcmp(index + 2 * 32, "24000000020000000000000025000000", 32), 0, "%s", index);
    cr_assert_eq(memcmp(index + 2 * 48, "6400000000000000", 16), 0, "%s", index);
    cr_assert_eq(memcmp(trailer, "6d000000000000000200000000000000", 32), 0, "%s", trailer);
    cr_assert_eq(memcmp(trailer + 32, "03000000000000002d00000000000000", 32), 0, "%s", trailer);
    cr_assert_eq(memcmp(trailer + 2 * 48, "4d524d4150454e44", 16), 0, "%s", trailer);
    /* the digest: a mark of each partition, then its records */
    static const char stream[] = "\0\0\0\0\x19\0a longer key than sixteen\x05\x01"
                                 "apple\x05\x02\0\0\0\x04\x02"
                                 "pear\x01\x02";
    cr_assert_eq(summary.digest, mr_hash_xxh3(stream, sizeof stream - 1));
    free((char *)file.data);
    pairs_fini(&pairs);
    end_place(&place);
}

Test(map_output, comes_back_by_partition) {
    struct place place = make_place();
    struct pairs pairs = {0};
    struct mr_error err = {0};
    pairs_add_random(&pairs, 20000, 3, 60, 1);
    char *long_value = calloc(1, 200000);
    cr_assert_not_null(long_value);
    pairs_add(&pairs, 1, mr_bytes_text("long"), (struct mr_bytes){long_value, 200000});
    pairs_sort(&pairs, (struct pairs_order){0});
    struct mr_map_output_summary summary = write_pairs(&place, &pairs, &whose);
    struct mr_bytes file = read_file(place.path);
    cr_assert_eq(summary.records, (uint64_t)pairs.count);
    cr_assert_eq(read_all(file, &whose, place.pool, &pairs, &err), 0, "%s", err.text);
    struct mr_map_output *output = NULL;
    struct mr_run *run = NULL;
    cr_assert_eq(mr_map_output_open(place.path, &whose, &output, &err), 0, "%s", err.text);
    cr_assert_eq(mr_map_output_summary(output).digest, summary.digest);
    cr_assert_eq(mr_map_output_run(output, MR_MAP_OUTPUT_ALL, place.pool, &run, &err), 0);
    mr_map_output_close(output); /* a run lives on without it */
    cr_assert_eq(run->records, summary.records);
    cr_assert_eq(compare_run(run, 1, &pairs, &err), 0, "%s", err.text);
    mr_run_destroy(run);
    free(long_value);
    free((char *)file.data);
    pairs_fini(&pairs);
    end_place(&place);
}

Test(map_output, empty) {
    struct place place = make_place();
    struct pairs none = {0};
    struct mr_error err = {0};
    struct mr_map_output_summary summary = write_pairs(&place, &none, &whose);
    struct mr_bytes file = read_file(place.path);
    cr_assert_eq(file.len, (size_t)128);
    cr_assert_eq(summary.digest, mr_hash_xxh3(NULL, 0));
    cr_assert_eq(read_all(file, &whose, place.pool, &none, &err), 0, "%s", err.text);
    free((char *)file.data);
    end_place(&place);
}

Test(map_output, every_flipped_bit_is_noticed) {
    struct place place = make_place();
    struct pairs pairs = few_pairs();
    write_pairs(&place, &pairs, &whose);
    struct mr_bytes file = read_file(place.path);
    char *changed = (char *)file.data;
    for (size_t i = 0; i < file.len * 8; i++) {
        struct mr_error err = {0};
        changed[i / 8] = (char)(changed[i / 8] ^ 1 << i % 8);
        cr_assert_eq(read_all(file, &whose, place.pool, NULL, &err), MR_ERR_IO, "bit %zu", i);
        cr_assert(err.text[0] != '\0');
        changed[i / 8] = (char)(changed[i / 8] ^ 1 << i % 8);
    }
    struct mr_error none = {0};
    cr_assert_eq(read_all(file, &whose, place.pool, &pairs, &none), 0, "%s", none.text);
    free(changed);
    pairs_fini(&pairs);
    end_place(&place);
}

Test(map_output, every_cut_and_every_tail_is_noticed) {
    struct place place = make_place();
    struct pairs pairs = few_pairs();
    write_pairs(&place, &pairs, &whose);
    struct mr_bytes file = read_file(place.path);
    for (size_t len = 0; len < file.len; len++) {
        struct mr_error err = {0};
        cr_assert_eq(read_all((struct mr_bytes){file.data, len}, &whose, place.pool, NULL, &err),
                     MR_ERR_IO, "cut at %zu", len);
    }
    char *longer = calloc(1, file.len + 1);
    cr_assert_not_null(longer);
    memcpy(longer, file.data, file.len);
    struct mr_error err = {0};
    cr_assert_eq(read_all((struct mr_bytes){longer, file.len + 1}, &whose, place.pool, NULL, &err),
                 MR_ERR_IO);
    free(longer);
    free((char *)file.data);
    pairs_fini(&pairs);
    end_place(&place);
}

/* A sound file of somebody else is refused by name. */
Test(map_output, another_s_file_is_refused) {
    struct place place = make_place();
    struct pairs pairs = few_pairs();
    write_pairs(&place, &pairs, &whose);
    struct mr_map_output_identity others[8];
    for (size_t i = 0; i < 8; i++) {
        others[i] = whose;
    }
    others[1].job[15] = 0;
    others[2].round = 0;
    others[3].task = 8;
    others[4].attempt = 1;
    others[5].partitions = 4;
    others[6].order = MR_MAP_OUTPUT_BY_ARRIVAL;
    others[7].value = MR_MAX_U64;
    static const char *const words[] = {"",          "job's",      "round's", "task's",
                                        "attempt's", "partitions", "order",   "kind of value"};
    for (size_t i = 0; i < 8; i++) {
        struct mr_map_output *output = NULL;
        struct mr_error err = {0};
        int status = mr_map_output_open(place.path, &others[i], &output, &err);
        cr_assert_eq(status, i ? MR_ERR_IO : 0, "%zu: %s", i, err.text);
        cr_assert_not_null(strstr(err.text, words[i]), "%s", err.text);
        mr_map_output_close(output);
    }
    pairs_fini(&pairs);
    end_place(&place);
}

/* The digest is that of records and partitions, not of whose file it is. */
Test(map_output, digest_follows_records_and_partitions) {
    struct place place = make_place();
    struct pairs pairs = few_pairs();
    uint64_t first = write_pairs(&place, &pairs, &whose).digest;
    unlink(place.path);
    struct mr_map_output_identity other = whose;
    other.attempt = 9;
    cr_assert_eq(write_pairs(&place, &pairs, &other).digest, first);
    unlink(place.path);
    pairs.items[2].partition = 1;
    cr_assert_neq(write_pairs(&place, &pairs, &whose).digest, first);
    pairs_fini(&pairs);
    end_place(&place);
}

Test(map_output, no_file_is_replaced) {
    struct place place = make_place();
    struct pairs none = {0};
    struct mr_map_output_writer writer;
    struct mr_error err = {0};
    write_pairs(&place, &none, &whose);
    cr_assert_eq(mr_map_output_create(&writer, place.pool, place.dir, place.path, &whose, &err),
                 MR_ERR_IO);
    cr_assert_not_null(strstr(err.text, "File exists"), "%s", err.text);
    mr_map_output_abandon(&writer);
    end_place(&place);
}
