/* fails: a job of two rounds that fails in the callback that --at names, where it meets the key
 * "poison".
 *
 * --how fail: by mr_fail; status: by its status alone; silent: a failed emit is not passed on.
 * MAP_BLOCK: maps blocks. */
#include "line.h"

static bool is_at(const struct mr_ctx *ctx, const char *callback) {
    return strcmp(mr_param(ctx, "at"), callback) == 0;
}

static int fail(struct mr_ctx *ctx, const char *callback) {
    return strcmp(mr_param(ctx, "how"), "status") == 0 ? -1
                                                       : mr_fail(ctx, "no luck in %s", callback);
}

static int fail_at(struct mr_ctx *ctx, const char *callback, struct mr_bytes key) {
    return is_at(ctx, callback) && line_is(key, "poison") ? fail(ctx, callback) : 0;
}

/* Emits of another kind, and calls out of place: each is refused, whatever the callback returns
 * then. */
static int misuse(struct mr_ctx *ctx, struct mr_bytes key) {
    struct mr_bytes value;
    int status = 0;
    if (is_at(ctx, "emit_u64")) {
        status = mr_emit_u64(ctx, key, 1);
    } else if (is_at(ctx, "emit_i64")) {
        status = mr_emit_i64(ctx, key, 1);
    } else if (is_at(ctx, "emit_f64")) {
        status = mr_emit_f64(ctx, key, 1);
    } else if (is_at(ctx, "next")) {
        status = mr_next(ctx, NULL, &value);
    } else if (is_at(ctx, "set")) {
        status = mr_set(ctx, key);
    }
    return strcmp(mr_param(ctx, "how"), "silent") == 0 ? 0 : status;
}

static int map_line(struct mr_ctx *ctx, struct mr_bytes line) {
    struct mr_bytes key;
    struct mr_bytes value;
    line_cut(line, &key, &value);
    int status = fail_at(ctx, "map", key);
    if (!status && line_is(key, "poison")) {
        status = misuse(ctx, key);
    }
    return status ? status : mr_emit(ctx, key, value);
}

#ifdef MAP_BLOCK
static int map_block(struct mr_ctx *ctx, void *state, struct mr_bytes block, uint64_t *records) {
    (void)state;
    int status = line_map_block(ctx, block, map_line, records);
    if (!status) {
        *records += is_at(ctx, "too-many");
        *records -= is_at(ctx, "too-few") && *records;
    }
    return status;
}
#else
static int map(struct mr_ctx *ctx, void *state, struct mr_bytes record) {
    (void)state;
    return map_line(ctx, record);
}
#endif

static int map_pair(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes value) {
    int status = fail_at(ctx, "map_pair", key);
    (void)state;
    return status ? status : mr_emit(ctx, key, value);
}

static int combine(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes into,
                   struct mr_bytes value) {
    int status = fail_at(ctx, "combine", key);
    (void)state;
    if (status || is_at(ctx, "no-set")) {
        return status;
    }
    return mr_set(ctx, line_order(into, value) < 0 ? into : value);
}

static int partition(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint32_t partitions,
                     uint32_t *partition) {
    int status = fail_at(ctx, "partition", key);
    (void)state;
    *partition =
        is_at(ctx, "far") && line_is(key, "poison") ? partitions : line_hash(key) % partitions;
    return status;
}

static int compare(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                   int *order) {
    int status = fail_at(ctx, "compare", a);
    (void)state;
    *order = line_order(a, b);
    return status ? status : fail_at(ctx, "compare", b);
}

static int group(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                 bool *same) {
    int status = fail_at(ctx, "group", a);
    (void)state;
    *same = line_same(a, b);
    return status ? status : fail_at(ctx, "group", b);
}

static int reduce(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_values *values) {
    struct mr_bytes value;
    int status = fail_at(ctx, "reduce", key);
    (void)state;
    while (!status && (status = mr_next(ctx, values, &value)) > 0) {
        status = mr_emit(ctx, key, value);
    }
    return status;
}

static int reduce_end(struct mr_ctx *ctx, void *state) {
    (void)state;
    return is_at(ctx, "reduce_end") ? fail(ctx, "reduce_end") : 0;
}

static int setup(struct mr_ctx *ctx, void **state) {
    *state = NULL;
    if (is_at(ctx, "setup") || (is_at(ctx, "setup-reduce") && ctx->phase == MR_PHASE_REDUCE)) {
        return fail(ctx, "setup");
    }
    return 0;
}

static int plan(struct mr_ctx *ctx, const struct mr_round **chosen, uint32_t *count) {
    (void)chosen;
    *count = is_at(ctx, "no-rounds") ? 0 : is_at(ctx, "three-rounds") ? 3 : 2;
    return is_at(ctx, "plan") ? fail(ctx, "plan") : 0;
}

static const struct mr_param params[] = {
    {.name = "at",
     .kind = MR_PARAM_TEXT,
     .fallback = "",
     .metavar = "CALLBACK",
     .help = "where to fail"},
    {.name = "how",
     .kind = MR_PARAM_CHOICE,
     .fallback = "fail",
     .choices = "fail|status|silent",
     .help = "how to fail"},
    {.name = NULL},
};
static const struct mr_round rounds[] = {
    {.name = "first",
     .value = MR_COMBINED,
#ifdef MAP_BLOCK
     .map_block = map_block,
#else
     .map = map,
#endif
     .combine = combine,
     .partition = partition,
     .compare = compare,
     .group = group,
     .reduce = reduce,
     .reduce_end = reduce_end},
    {.name = "second", .value = MR_FIRST, .map_pair = map_pair},
};
MR_PLUGIN = {.abi = MR_JOB_ABI,
             .name = "fails",
             .summary = "fails where it is told to",
             .params = params,
             .rounds = rounds,
             .round_count = 2,
             .plan = plan,
             .setup = setup};
