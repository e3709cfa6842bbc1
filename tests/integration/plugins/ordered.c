/* ordered: values of lines KEY TAB VALUE, under orders, groups and partitions of the job's own. */
#include "line.h"

#include <ctype.h>
#include <stdlib.h>

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes record) {
    struct mr_bytes key;
    struct mr_bytes value;
    (void)state;
    line_cut(record, &key, &value);
    return mr_emit(ctx, key, value);
}

static bool has(const struct mr_ctx *ctx, const char *param, const char *value) {
    return strcmp(mr_param(ctx, param), value) == 0;
}

static uint8_t folded(char byte) {
    return (uint8_t)tolower((unsigned char)byte);
}

static int order_nocase(struct mr_bytes a, struct mr_bytes b) {
    size_t len = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < len; i++) {
        if (folded(a.data[i]) != folded(b.data[i])) {
            return folded(a.data[i]) < folded(b.data[i]) ? -1 : 1;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* The decimal number behind the first colon; 0 without one. */
static uint64_t number_of(struct mr_bytes key) {
    size_t at = line_family(key).len + 1;
    uint64_t number = 0;
    for (; at < key.len && isdigit((unsigned char)key.data[at]); at++) {
        number = number * 10 + (uint64_t)(key.data[at] - '0');
    }
    return number;
}

static int compare(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                   int *order) {
    (void)state;
    if (has(ctx, "order", "nocase")) {
        *order = order_nocase(a, b);
    } else if (has(ctx, "order", "reverse")) {
        *order = line_order(b, a);
    } else if (has(ctx, "order", "equal")) {
        *order = 0;
    } else if (has(ctx, "order", "numeric")) {
        uint64_t left = number_of(a);
        uint64_t right = number_of(b);
        *order = line_order(line_family(a), line_family(b));
        *order = *order ? *order : (left > right) - (left < right);
    } else {
        *order = line_order(a, b);
    }
    return 0;
}

static int group(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                 bool *same) {
    (void)state;
    if (has(ctx, "group", "family")) {
        *same = line_same(line_family(a), line_family(b));
    } else if (has(ctx, "group", "nocase")) {
        *same = order_nocase(a, b) == 0;
    } else if (has(ctx, "group", "all")) {
        *same = true;
    } else {
        *same = line_same(a, b);
    }
    return 0;
}

/* By the lower-case family: finer groups stay together too. */
static int partition(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint32_t partitions,
                     uint32_t *partition) {
    struct mr_bytes family = line_family(key);
    uint32_t hash = 2166136261u;
    (void)ctx;
    (void)state;
    for (size_t i = 0; i < family.len; i++) {
        hash = (hash ^ folded(family.data[i])) * 16777619u;
    }
    *partition = hash % partitions;
    return 0;
}

/* A line for each value read, with its own key, then one with the group's key and the number read.
 */
static int reduce(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_values *values) {
    uint64_t read_max = mr_param_u64(ctx, "read");
    uint64_t read = 0;
    int status = 0;
    (void)state;
    while (read < read_max && !status) {
        struct mr_bytes value;
        int more = mr_next(ctx, values, &value);
        if (more <= 0) {
            status = more;
            break;
        }
        read++;
        status = mr_emit(ctx, mr_values_key(ctx, values), value);
    }
    return status ? status : mr_emit_u64(ctx, key, read);
}

static const struct mr_param params[] = {
    {.name = "order",
     .kind = MR_PARAM_CHOICE,
     .fallback = "bytes",
     .choices = "bytes|nocase|reverse|equal|numeric",
     .help = "the order of keys"},
    {.name = "group",
     .kind = MR_PARAM_CHOICE,
     .fallback = "same",
     .choices = "same|family|nocase|all",
     .help = "the keys that are one group"},
    {.name = "read",
     .kind = MR_PARAM_U64,
     .fallback = "1000000000",
     .metavar = "N",
     .help = "read N values of each group"},
    {.name = NULL},
};
static const struct mr_round rounds[] = {{.name = "order",
                                          .value = MR_VALUES,
                                          .map = map,
                                          .compare = compare,
                                          .group = group,
                                          .partition = partition,
                                          .reduce = reduce}};
MR_PLUGIN = {.abi = MR_JOB_ABI,
             .name = "ordered",
             .summary = "values in the order of keys",
             .params = params,
             .rounds = rounds,
             .round_count = 1};
