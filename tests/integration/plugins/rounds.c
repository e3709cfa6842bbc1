/* rounds: three rounds: how often each key stands in the input; the keys of each number; how many
 * numbers there are.
 *
 * 1 sums, and hands on (KEY, NUMBER). 2 turns pairs round, orders numbers, and hands on (NUMBER,
 * its first three keys). 3 maps by identity, keeps the first of each, and adds a line with their
 * count. */
#include "line.h"

#include <stdio.h>
#include <stdlib.h>

#define SHOWN_MAX 3

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes record) {
    struct mr_bytes key;
    struct mr_bytes value;
    (void)state;
    line_cut(record, &key, &value);
    return mr_emit_u64(ctx, key, 1);
}

static int partition(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint32_t partitions,
                     uint32_t *partition) {
    (void)ctx;
    (void)state;
    *partition = line_hash(key) % partitions;
    return 0;
}

static int turn(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes value) {
    (void)state;
    return mr_emit(ctx, value, key);
}

static int compare(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                   int *order) {
    (void)ctx;
    (void)state;
    *order = a.len != b.len ? (a.len < b.len ? -1 : 1) : line_order(a, b);
    return 0;
}

static int shorten(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_values *values) {
    char text[SHOWN_MAX * 20];
    size_t len = 0;
    struct mr_bytes value;
    int more = 1;
    (void)state;
    for (int i = 0; i < SHOWN_MAX && (more = mr_next(ctx, values, &value)) > 0; i++) {
        size_t shown = value.len < 16 ? value.len : 16;
        if (shown) {
            memcpy(text + len, value.data, shown);
        }
        len += shown;
        text[len++] = ',';
    }
    return more < 0 ? more : mr_emit(ctx, key, (struct mr_bytes){text, len});
}

/* One a partition, counting its groups. */
static int setup(struct mr_ctx *ctx, void **state) {
    *state = calloc(1, sizeof(uint64_t));
    return *state ? 0 : mr_fail(ctx, "out of memory");
}

static int count(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_values *values) {
    struct mr_bytes value;
    int more = mr_next(ctx, values, &value);
    ++*(uint64_t *)state;
    if (more > 0) {
        int status = mr_counter_add(ctx, "numbers", 1);
        return status ? status : mr_emit(ctx, key, value);
    }
    return more;
}

static int end(struct mr_ctx *ctx, void *state) {
    return mr_emit_u64(ctx, mr_bytes_text("~numbers"), *(uint64_t *)state);
}

static int plan(struct mr_ctx *ctx, const struct mr_round **chosen, uint32_t *count) {
    (void)chosen;
    *count = (uint32_t)mr_param_u64(ctx, "rounds");
    return *count > 3 ? mr_fail(ctx, "there are 3 rounds, not %u", *count) : 0;
}

static const struct mr_param params[] = {
    {.name = "rounds",
     .kind = MR_PARAM_U64,
     .fallback = "3",
     .least = 1,
     .metavar = "N",
     .help = "stop after N rounds"},
    {.name = NULL},
};
static const struct mr_round rounds[] = {
    {.name = "count", .value = MR_SUM_U64, .map = map, .partitions = 5, .partition = partition},
    {.name = "turn", .value = MR_VALUES, .map_pair = turn, .compare = compare, .reduce = shorten},
    {.name = "end",
     .value = MR_FIRST,
     .partitions = 1,
     .compare = compare,
     .reduce = count,
     .reduce_end = end},
};
MR_PLUGIN = {.abi = MR_JOB_ABI,
             .name = "rounds",
             .summary = "count, turn round, count",
             .params = params,
             .rounds = rounds,
             .round_count = 3,
             .plan = plan,
             .setup = setup,
             .teardown = free};
