/* splits: cuts inputs into the byte ranges that map tasks work on. */
#ifndef MR_INPUT_SPLITS_H
#define MR_INPUT_SPLITS_H

#include "lib/input/inputs.h"

/* A byte range of one input. Its records are those that begin in [begin, end); the last may reach
 * past `end`. For compressed inputs and streams: the whole, end = UINT64_MAX. */
struct mr_split {
    uint32_t input; /* index into mr_inputs.items */
    uint64_t begin;
    uint64_t end;
};

struct mr_splits {
    struct mr_split *items;
    size_t count;
    uint64_t split_bytes; /* the size of a full split */
};

/* The size of a split for inputs of `bytes` in all: clamp(pow2(bytes / 4096), 64 MiB, 256 MiB),
 * pow2(x) being the largest power of two <= x. */
uint64_t mr_splits_size(uint64_t bytes);

/* The number of partitions for inputs of `weighted_bytes`: clamp(pow2(bytes / 64 MiB), 1, 4096); 1
 * where some input can't be measured. */
uint32_t mr_splits_partitions(uint64_t weighted_bytes, bool has_stream);

/* Cuts every input: plain files in ranges of mr_splits_size(inputs->weighted_bytes), others whole;
 * an empty file makes none. A function of the inputs alone. Release with mr_splits_fini. */
MR_MUST_USE int mr_splits_plan(const struct mr_inputs *inputs, struct mr_splits *splits,
                               struct mr_error *err);
void mr_splits_fini(struct mr_splits *splits);

#endif
