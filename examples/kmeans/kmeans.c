/* kmeans: Lloyd's clustering, an epoch a pass.
 *
 * Rows are points: numbers between commas, the same count in each. The first pass chooses where the
 * centres begin: the rows whose hash, with the seed, is smallest, so that neither the order of rows
 * nor who reads them matters. In every further pass map finds the centre nearest to each point and
 * emits the point into that centre's sums, which are exact; round_done moves the centres to the
 * means. It ends when none moves. */
#include <float.h>
#include <math.h>
#include <mr/job.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX 64 /* bytes of a number's text */
#define NUMBERS_MAX 16
#define CENTRES_MAX 64
#define HASH_DIGITS 16

/* What a pass learns for the next. Its bytes are the loop's state. */
struct model {
    uint64_t numbers; /* of a point; 0: nothing is known yet */
    uint64_t centres;
    double at[CENTRES_MAX][NUMBERS_MAX];
    double points[CENTRES_MAX]; /* that were nearest to it */
};

/* ---- points -----------------------------------------------------------------------------------*/

static bool read_number(struct mr_bytes text, double *number) {
    char copy[NUMBER_MAX + 1];
    char *end = copy;
    if (text.len == 0 || text.len > NUMBER_MAX) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *number = strtod(copy, &end);
    return end == copy + text.len && isfinite(*number);
}

/* Reads a point: how many numbers it has, or a negative status. */
static int read_point(struct mr_ctx *ctx, struct mr_bytes line, double point[NUMBERS_MAX]) {
    const char *at = line.data;
    const char *end = at + line.len;
    for (int i = 0; i < NUMBERS_MAX; i++) {
        const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
        struct mr_bytes text = {at, (size_t)((comma ? comma : end) - at)};
        if (!read_number(text, &point[i])) {
            return mr_fail(ctx, "number %d of the point is none: \"%.*s\"", i + 1,
                           text.len < 60 ? (int)text.len : 60, text.data);
        }
        if (!comma) {
            return i + 1;
        }
        at = comma + 1;
    }
    return mr_fail(ctx, "a point of more than %d numbers", NUMBERS_MAX);
}

/* FNV-1a, stirred at the end as in SplitMix64. */
static uint64_t hash(struct mr_bytes line, uint64_t seed) {
    uint64_t hash = 0xcbf29ce484222325u ^ seed;
    for (size_t i = 0; i < line.len; i++) {
        hash = (hash ^ (unsigned char)line.data[i]) * 0x100000001b3u;
    }
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    return hash ^ hash >> 31;
}

/* ---- map --------------------------------------------------------------------------------------*/

static int choose(struct mr_ctx *ctx, struct mr_bytes line) {
    char key[HASH_DIGITS + (NUMBER_MAX + 1) * NUMBERS_MAX];
    uint64_t order = hash(line, mr_param_u64(ctx, "seed"));
    for (size_t i = 0; i < HASH_DIGITS; i++) {
        key[i] = "0123456789abcdef"[order >> (60 - 4 * i) & 15];
    }
    memcpy(key + HASH_DIGITS, line.data, line.len);
    return mr_emit_f64(ctx, (struct mr_bytes){key, HASH_DIGITS + line.len}, 1);
}

static double distance(const double *a, const double *b, size_t numbers) {
    double sum = 0;
    for (size_t i = 0; i < numbers; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
}

/* Keys: the centre, and which of its sums: of the points' numbers, their count. */
static int add(struct mr_ctx *ctx, const struct model *model, const double *point) {
    size_t nearest = 0;
    double least = DBL_MAX;
    for (size_t i = 0; i < model->centres; i++) {
        double far = distance(point, model->at[i], model->numbers);
        if (far < least) {
            least = far;
            nearest = i;
        }
    }
    int status = 0;
    for (size_t i = 0; i <= model->numbers && !status; i++) {
        const char key[2] = {(char)nearest, (char)i};
        double value = i < model->numbers ? point[i] : 1;
        status = mr_emit_f64(ctx, (struct mr_bytes){key, sizeof key}, value);
    }
    return status;
}

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    const struct model *model = state;
    double point[NUMBERS_MAX];
    int count = read_point(ctx, line, point);
    if (count < 0) {
        return count;
    }
    if (!model->numbers) {
        return choose(ctx, line);
    }
    if ((uint64_t)count != model->numbers) {
        return mr_fail(ctx, "a point of %d numbers, where others have %d", count,
                       (int)model->numbers);
    }
    return add(ctx, model, point);
}

/* A thread's copy of the state, aligned. */
static int setup(struct mr_ctx *ctx, void **state) {
    struct mr_bytes bytes = mr_loop_state(ctx);
    struct model *model = calloc(1, sizeof *model);
    if (!model) {
        return mr_fail(ctx, "out of memory");
    }
    if (bytes.len) {
        memcpy(model, bytes.data, sizeof *model);
    }
    *state = model;
    return 0;
}

/* ---- between two passes -----------------------------------------------------------------------*/

static int begin(struct mr_ctx *ctx, struct mr_results *results, struct model *model) {
    uint64_t wanted = mr_param_u64(ctx, "centres");
    struct mr_bytes key;
    double ignored;
    int more = 1;
    while (model->centres < wanted &&
           (more = mr_next_result_f64(ctx, results, &key, &ignored)) > 0) {
        struct mr_bytes line = {key.data + HASH_DIGITS, key.len - HASH_DIGITS};
        int count = read_point(ctx, line, model->at[model->centres++]);
        model->numbers = (uint64_t)(count > 0 ? count : 1);
    }
    if (more == 0) {
        return mr_fail(ctx, "%d different points can't have %d centres", (int)model->centres,
                       (int)wanted);
    }
    return more < 0 ? more : 0;
}

/* Moves the centres to the means; one without points stays where it is. */
static int move(struct mr_ctx *ctx, struct mr_results *results, struct model *model, bool *moved) {
    double sums[CENTRES_MAX][NUMBERS_MAX + 1] = {{0}};
    struct mr_bytes key;
    double value;
    int more;
    while ((more = mr_next_result_f64(ctx, results, &key, &value)) > 0) {
        sums[(unsigned char)key.data[0]][(unsigned char)key.data[1]] = value;
    }
    for (size_t i = 0; i < model->centres; i++) {
        model->points[i] = sums[i][model->numbers];
        for (size_t j = 0; j < model->numbers && model->points[i] > 0; j++) {
            double mean = sums[i][j] / model->points[i];
            *moved |= mean != model->at[i][j];
            model->at[i][j] = mean;
        }
    }
    return more;
}

/* The lines of the result: a centre's numbers, and how many points are nearest to it. */
static int write_result(struct mr_ctx *ctx, const struct model *model) {
    int status = 0;
    for (size_t i = 0; i < model->centres && !status; i++) {
        char text[NUMBERS_MAX * 32];
        size_t len = 0;
        for (size_t j = 0; j < model->numbers; j++) {
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%.6g", j ? "," : "",
                                    model->at[i][j]);
        }
        status = mr_emit_u64(ctx, mr_bytes_text(text), (uint64_t)model->points[i]);
    }
    return status ? status : mr_emit_u64(ctx, mr_bytes_text("epochs"), ctx->pass);
}

static int round_done(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    struct model model = {0};
    bool moved = false;
    int status;
    if (ctx->pass == 0) {
        status = begin(ctx, results, &model);
        *again = true;
    } else {
        memcpy(&model, mr_loop_state(ctx).data, sizeof model);
        status = move(ctx, results, &model, &moved);
        *again = moved && ctx->pass < mr_param_u64(ctx, "epochs");
    }
    if (!status && !*again) {
        status = write_result(ctx, &model);
    }
    return status ? status
                  : mr_set_loop_state(ctx, (struct mr_bytes){(const char *)&model, sizeof model});
}

/* ---- the job ----------------------------------------------------------------------------------*/

static int plan(struct mr_ctx *ctx, const struct mr_round **rounds, uint32_t *count) {
    (void)rounds, (void)count;
    return mr_param_u64(ctx, "centres") <= CENTRES_MAX
               ? 0
               : mr_fail(ctx, "--centres: at most %d", CENTRES_MAX);
}

static const struct mr_round rounds[] = {
    {.name = "assign", .value = MR_SUM_F64, .map = map, .partitions = 1},
};

static const struct mr_param params[] = {
    {.name = "centres",
     .kind = MR_PARAM_U64,
     .fallback = "3",
     .least = 1,
     .metavar = "K",
     .help = "how many"},
    {.name = "seed",
     .kind = MR_PARAM_U64,
     .fallback = "1",
     .metavar = "N",
     .help = "another one begins at other points"},
    {.name = "epochs",
     .kind = MR_PARAM_U64,
     .fallback = "100",
     .least = 1,
     .metavar = "N",
     .help = "how many moves at most"},
    {0},
};

static const char *const examples[] = {
    "millrace run ./libkmeans.so points.csv",
    "millrace run ./libkmeans.so points.csv --centres 5 --seed 7",
    NULL,
};

MR_PLUGIN = {
    .abi = MR_JOB_ABI,
    .name = "kmeans",
    .summary = "find the centres of clusters of points",
    .examples = examples,
    .params = params,
    .rounds = rounds,
    .round_count = 1,
    .plan = plan,
    .setup = setup,
    .teardown = free,
    .round_done = round_done,
};
