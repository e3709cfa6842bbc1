/* splits: cuts inputs into the byte ranges that map tasks work on. */
#include "lib/input/splits.h"

#include "lib/base/error.h"

#include <stdlib.h>

#define SPLIT_BYTES_MIN ((uint64_t)64 << 20)
#define SPLIT_BYTES_MAX ((uint64_t)256 << 20)
#define SPLITS_WANTED 4096
#define PARTITION_BYTES ((uint64_t)64 << 20)
#define PARTITIONS_MAX 4096

/* The largest power of two <= x; 1 for 0. */
static uint64_t pow2_floor(uint64_t x) {
    return x == 0 ? 1 : (uint64_t)1 << (63 - __builtin_clzll(x));
}

static uint64_t clamp(uint64_t x, uint64_t low, uint64_t high) {
    return x < low ? low : x > high ? high : x;
}

uint64_t mr_splits_size(uint64_t bytes) {
    return clamp(pow2_floor(bytes / SPLITS_WANTED), SPLIT_BYTES_MIN, SPLIT_BYTES_MAX);
}

uint32_t mr_splits_partitions(uint64_t weighted_bytes, bool has_stream) {
    if (has_stream) {
        return 1;
    }
    return (uint32_t)clamp(pow2_floor(weighted_bytes / PARTITION_BYTES), 1, PARTITIONS_MAX);
}

/* How many splits an input makes. */
static uint64_t count_splits(const struct mr_input *input, uint64_t split_bytes) {
    if (input->kind != MR_INPUT_FILE) {
        return 1;
    }
    return input->size / split_bytes + (input->size % split_bytes != 0);
}

/* Writes an input's splits at `out`; returns the place behind them. */
static struct mr_split *cut(const struct mr_input *input, uint32_t index, uint64_t split_bytes,
                            struct mr_split *out) {
    if (input->kind != MR_INPUT_FILE) {
        *out = (struct mr_split){.input = index, .begin = 0, .end = UINT64_MAX};
        return out + 1;
    }
    for (uint64_t begin = 0; begin < input->size; begin += split_bytes) {
        uint64_t rest = input->size - begin;
        uint64_t end = begin + (rest < split_bytes ? rest : split_bytes);
        *out++ = (struct mr_split){.input = index, .begin = begin, .end = end};
    }
    return out;
}

int mr_splits_plan(const struct mr_inputs *inputs, struct mr_splits *splits, struct mr_error *err) {
    *splits = (struct mr_splits){.split_bytes = mr_splits_size(inputs->weighted_bytes)};
    uint64_t count = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        count += count_splits(&inputs->items[i], splits->split_bytes);
    }
    if (count == 0) {
        return MR_OK;
    }
    if (count > UINT32_MAX || inputs->count > UINT32_MAX) {
        return mr_error_set(err, MR_ERR_INPUT, "the inputs would make more than %u splits",
                            UINT32_MAX);
    }
    splits->items = calloc(count, sizeof *splits->items);
    if (!splits->items) {
        return mr_error_nomem(err, "planning the splits");
    }
    splits->count = count;
    struct mr_split *next = splits->items;
    for (size_t i = 0; i < inputs->count; i++) {
        next = cut(&inputs->items[i], (uint32_t)i, splits->split_bytes, next);
    }
    return MR_OK;
}

void mr_splits_fini(struct mr_splits *splits) {
    free(splits->items);
    *splits = (struct mr_splits){0};
}
