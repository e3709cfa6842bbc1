/* kinds: folds lines KEY TAB VALUE by key; built once for each kind of value and way to map and
 * reduce.
 *
 * KIND is a value of enum mr_value. MAP_BLOCK: maps blocks. JOIN: keys equal up to their first
 * colon are one group. TYPED: reduces by reduce_u64, _i64 or _f64, leaving out keys that begin with
 * 'q'. ITERATE: reduces by the iterator, and counts its values. */
#include "line.h"

#include <errno.h>
#include <stdlib.h>

#define NUMBER_MAX 400

/* Where combine builds its results. */
struct scratch {
    char *data;
    size_t room;
};

static int emit_number(struct mr_ctx *ctx, struct mr_bytes key, struct mr_bytes value) {
    char text[NUMBER_MAX + 1] = "1";
    char *end = text + 1;
    int status;
    if (value.len > NUMBER_MAX) {
        return mr_fail(ctx, "a number of %zu bytes", value.len);
    }
    if (value.len) {
        memcpy(text, value.data, value.len);
        text[value.len] = 0;
    }
    errno = 0;
    switch (KIND) {
    case MR_SUM_U64:
    case MR_MIN_U64:
    case MR_MAX_U64:
        status = mr_emit_u64(ctx, key, strtoull(text, &end, 10));
        break;
    case MR_SUM_I64:
    case MR_MIN_I64:
    case MR_MAX_I64:
        status = mr_emit_i64(ctx, key, strtoll(text, &end, 10));
        break;
    default:
        status = mr_emit_f64(ctx, key, strtod(text, &end));
        errno = 0; /* denormals */
    }
    return *end || errno ? mr_fail(ctx, "\"%.40s\" is no number", text) : status;
}

static int map_line(struct mr_ctx *ctx, struct mr_bytes line) {
    struct mr_bytes key;
    struct mr_bytes value;
    line_cut(line, &key, &value);
    if (KIND == MR_VALUES || KIND == MR_FIRST || KIND == MR_COMBINED) {
        return mr_emit(ctx, key, value);
    }
    return emit_number(ctx, key, value);
}

#ifdef MAP_BLOCK
static int map_block(struct mr_ctx *ctx, void *state, struct mr_bytes block, uint64_t *records) {
    (void)state;
    return line_map_block(ctx, block, map_line, records);
}
#else
static int map(struct mr_ctx *ctx, void *state, struct mr_bytes record) {
    (void)state;
    return map_line(ctx, record);
}
#endif

/* The larger byte at each place: associative, commutative, and as long as the longer one. */
static int combine(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes into,
                   struct mr_bytes value) {
    struct scratch *scratch = state;
    struct mr_bytes longer = into.len < value.len ? value : into;
    struct mr_bytes shorter = into.len < value.len ? into : value;
    (void)key;
    if (longer.len > scratch->room) {
        char *grown = realloc(scratch->data, longer.len);
        if (!grown) {
            return mr_fail(ctx, "out of memory");
        }
        scratch->data = grown;
        scratch->room = longer.len;
    }
    for (size_t i = 0; i < longer.len; i++) {
        uint8_t a = (uint8_t)longer.data[i];
        uint8_t b = i < shorter.len ? (uint8_t)shorter.data[i] : 0;
        scratch->data[i] = (char)(a > b ? a : b);
    }
    return mr_set(ctx, (struct mr_bytes){scratch->data, longer.len});
}

#ifdef JOIN
static int partition(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint32_t partitions,
                     uint32_t *partition) {
    (void)ctx;
    (void)state;
    *partition = line_hash(line_family(key)) % partitions;
    return 0;
}

static int group(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                 bool *same) {
    (void)ctx;
    (void)state;
    *same = line_same(line_family(a), line_family(b));
    return 0;
}
#endif

#ifdef TYPED
static bool is_left_out(struct mr_bytes key) {
    return key.len && key.data[0] == 'q';
}
static int reduce_u64(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)state;
    return is_left_out(key) ? 0 : mr_emit_u64(ctx, key, value);
}
static int reduce_i64(struct mr_ctx *ctx, void *state, struct mr_bytes key, int64_t value) {
    (void)state;
    return is_left_out(key) ? 0 : mr_emit_i64(ctx, key, value);
}
static int reduce_f64(struct mr_ctx *ctx, void *state, struct mr_bytes key, double value) {
    (void)state;
    return is_left_out(key) ? 0 : mr_emit_f64(ctx, key, value);
}
#endif

#ifdef ITERATE
static int reduce(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_values *values) {
    struct mr_bytes value;
    uint64_t count = 0;
    int more;
    (void)state;
    while ((more = mr_next(ctx, values, &value)) > 0) {
        count++;
        int status = mr_emit(ctx, mr_values_key(ctx, values), value);
        if (status) {
            return status;
        }
    }
    return more < 0 ? more : mr_emit_u64(ctx, key, count);
}
#endif

static int setup(struct mr_ctx *ctx, void **state) {
    *state = calloc(1, sizeof(struct scratch));
    return *state ? 0 : mr_fail(ctx, "out of memory");
}

static void teardown(void *state) {
    struct scratch *scratch = state;
    free(scratch->data);
    free(scratch);
}

static const struct mr_round rounds[] = {{
    .name = "fold",
    .value = KIND,
#ifdef MAP_BLOCK
    .map_block = map_block,
#else
    .map = map,
#endif
#ifdef JOIN
    .partition = partition,
    .group = group,
#endif
#ifdef ITERATE
    .reduce = reduce,
#endif
#ifdef TYPED
    .reduce_u64 = KIND >= MR_SUM_U64 && KIND <= MR_MAX_U64 ? reduce_u64 : NULL,
    .reduce_i64 = KIND >= MR_SUM_I64 && KIND <= MR_MAX_I64 ? reduce_i64 : NULL,
    .reduce_f64 = KIND >= MR_SUM_F64 && KIND <= MR_MAX_F64 ? reduce_f64 : NULL,
#endif
    .combine = KIND == MR_COMBINED ? combine : NULL,
}};

MR_PLUGIN = {.abi = MR_JOB_ABI,
             .name = "kinds",
             .summary = "fold the values of equal keys",
             .rounds = rounds,
             .round_count = 1,
             .setup = setup,
             .teardown = teardown};
