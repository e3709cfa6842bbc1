/* sessions: joins neighbouring numbers that are at most 10 apart, and asks for what it should not.
 */
#include <mr/job.h>
#include <stdlib.h>
#include <string.h>

static long number_of(struct mr_bytes key) {
    char text[32] = "";
    memcpy(text, key.data, key.len < sizeof text ? key.len : sizeof text - 1);
    return strtol(text, NULL, 10);
}

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes record) {
    (void)state;
    if (strcmp(mr_param(ctx, "wrong"), "name") == 0) {
        (void)mr_param_u64(ctx, "nmae");
    } else if (strcmp(mr_param(ctx, "wrong"), "kind") == 0) {
        (void)mr_param_u64(ctx, "wrong");
    } else if (strcmp(mr_param(ctx, "wrong"), "exit") == 0) {
        exit(0);
    }
    return mr_emit(ctx, record, mr_bytes_text("x"));
}

static int compare(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                   int *order) {
    (void)ctx, (void)state;
    long left = number_of(a), right = number_of(b);
    *order = (left > right) - (left < right);
    return 0;
}

static int group(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                 bool *same) {
    (void)ctx, (void)state;
    *same = number_of(b) - number_of(a) <= 10;
    return 0;
}

static int reduce(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_values *values) {
    struct mr_bytes value;
    uint64_t count = 0;
    int more;
    (void)state;
    while ((more = mr_next(ctx, values, &value)) > 0) {
        count++;
    }
    return more ? more : mr_emit_u64(ctx, key, count);
}

static const struct mr_param params[] = {
    {.name = "wrong", .kind = MR_PARAM_TEXT, .fallback = "", .help = "what to do wrong"},
    {.name = NULL},
};
static const struct mr_round rounds[] = {
    {.name = "join", .map = map, .compare = compare, .group = group, .reduce = reduce},
};
MR_PLUGIN = {.abi = MR_JOB_ABI,
             .name = "sessions",
             .summary = "join numbers that are near",
             .params = params,
             .rounds = rounds,
             .round_count = 1};
