/* fuzz_map_output: any bytes as a map output, as they are and with checksums that fit. */
#include "lib/base/hash.h"
#include "lib/record/cursor.h"
#include "lib/record/map_output.h"

#include <endian.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENDS_BYTES 64

/* Where what was read goes, so that it is read. */
static volatile uint64_t sink;

static void put64(char *out, uint64_t value) {
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

static uint64_t get64(const char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

/* Makes the checksums of header, index and trailer right: nobody who makes such a file on purpose
 * gets them wrong. */
static void fix(char *data, size_t size) {
    if (size < 2 * ENDS_BYTES) {
        return;
    }
    char *trailer = data + size - ENDS_BYTES;
    uint64_t index = get64(trailer);
    if (index <= size - ENDS_BYTES) {
        put64(trailer + 40, mr_hash_xxh3(data + index, size - ENDS_BYTES - (size_t)index));
    }
    put64(trailer + 56, mr_hash_xxh3(trailer, 56));
    put64(data + 56, mr_hash_xxh3(data, 56));
}

static void read_partition(const struct mr_map_output *output, uint32_t partition,
                           struct mr_pool *pool) {
    struct mr_error err = {0};
    struct mr_run *run = NULL;
    struct mr_cursor cursor = {0};
    struct mr_key_range all = {0};
    if (mr_map_output_run(output, partition, pool, &run, &err)) {
        abort();
    }
    if (!mr_cursor_open(&cursor, run, partition, &all, &err)) {
        while (!mr_cursor_step(&cursor, &err) && !cursor.at_end) {
            sink = cursor.key.len ? (uint64_t)cursor.key.data[cursor.key.len - 1] : 0;
        }
    }
    mr_cursor_close(&cursor);
    mr_run_destroy(run);
}

static void read_file(const char *data, size_t size) {
    struct mr_map_output_identity identity = {.partitions = 3, .order = MR_MAP_OUTPUT_BY_KEY};
    struct mr_error err = {0};
    struct mr_map_output *output = NULL;
    struct mr_pool *pool = NULL;
    int fd = memfd_create("map", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || mr_pool_create(&pool, &err)) {
        abort();
    }
    if (size >= ENDS_BYTES) { /* whose it says it is */
        memcpy(identity.job, data + 16, sizeof identity.job);
        identity.value = (enum mr_value)data[13];
        identity.round = (uint32_t)get64(data + 32);
        identity.task = (uint32_t)(get64(data + 32) >> 32);
        identity.attempt = (uint32_t)get64(data + 40);
    }
    int status = mr_map_output_open_file(fd, "map", &identity, &output, &err);
    if ((status == 0) != (output != NULL) || (status != 0) != (err.text[0] != '\0')) {
        abort();
    }
    for (uint32_t p = 0; output && p < identity.partitions; p++) {
        read_partition(output, p, pool);
    }
    mr_map_output_close(output);
    mr_pool_destroy(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = malloc(size + 1);
    if (!copy) {
        return 0;
    }
    memcpy(copy, data, size);
    read_file(copy, size);
    fix(copy, size);
    read_file(copy, size);
    free(copy);
    return 0;
}
