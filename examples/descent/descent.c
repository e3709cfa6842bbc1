/* descent: gradient descent on L(w) = the sum of (w - a)^2 over the numbers a of the input. */
#include <math.h>
#include <mr/job.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX 64 /* bytes of a number's text */

/* Reads the whole of a text as a finite number. */
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

/* A parameter that plan has seen to be a number. */
static double param(const struct mr_ctx *ctx, const char *name) {
    return strtod(mr_param(ctx, name), NULL);
}

static int plan(struct mr_ctx *ctx, const struct mr_round **rounds, uint32_t *count) {
    static const char *const names[] = {"from", "rate"};
    double number;
    (void)rounds, (void)count;
    for (size_t i = 0; i < 2; i++) {
        if (!read_number(mr_bytes_text(mr_param(ctx, names[i])), &number)) {
            return mr_fail(ctx, "--%s %s is no number", names[i], mr_param(ctx, names[i]));
        }
    }
    return 0;
}

/* The state is w, as it lies in memory. */
static double state_of(const struct mr_ctx *ctx) {
    double w;
    memcpy(&w, mr_loop_state(ctx).data, sizeof w);
    return w;
}

/* Sets the state, and writes the line EPOCH TAB w. */
static int step_to(struct mr_ctx *ctx, uint64_t epoch, double w) {
    char key[24];
    char value[32];
    snprintf(key, sizeof key, "%llu", (unsigned long long)epoch);
    snprintf(value, sizeof value, "%.10g", w);
    int status = mr_set_loop_state(ctx, (struct mr_bytes){(const char *)&w, sizeof w});
    return status ? status : mr_emit(ctx, mr_bytes_text(key), mr_bytes_text(value));
}

static int start(struct mr_ctx *ctx) {
    return step_to(ctx, 0, param(ctx, "from"));
}

/* What a number adds to the gradient. */
static int map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    double a;
    (void)state;
    if (!read_number(line, &a)) {
        return mr_fail(ctx, "\"%.*s\" is no number", line.len < 60 ? (int)line.len : 60, line.data);
    }
    return mr_emit_f64(ctx, mr_bytes_text("gradient"), 2 * (state_of(ctx) - a));
}

/* After each pass: the sum of the gradients is here; steps against it. */
static int round_done(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    struct mr_bytes key;
    double gradient = 0;
    int more = mr_next_result_f64(ctx, results, &key, &gradient);
    if (more < 0) {
        return more;
    }
    uint64_t epoch = ctx->pass + 1;
    *again = epoch < mr_param_u64(ctx, "epochs");
    return step_to(ctx, epoch, state_of(ctx) - param(ctx, "rate") * gradient);
}

static const struct mr_round rounds[] = {
    {.name = "gradient", .value = MR_SUM_F64, .map = map},
};

static const struct mr_param params[] = {
    {.name = "from",
     .kind = MR_PARAM_TEXT,
     .fallback = "5",
     .metavar = "W",
     .help = "where w begins"},
    {.name = "rate",
     .kind = MR_PARAM_TEXT,
     .fallback = "0.1",
     .metavar = "R",
     .help = "how far a step goes against the gradient"},
    {.name = "epochs",
     .kind = MR_PARAM_U64,
     .fallback = "10",
     .least = 1,
     .metavar = "N",
     .help = "how many steps"},
    {0},
};

static const char *const examples[] = {
    "millrace run ./libdescent.so numbers.txt",
    "millrace run ./libdescent.so --from -2 --rate 0.4 --epochs 5 numbers.txt",
    NULL,
};

MR_PLUGIN = {
    .abi = MR_JOB_ABI,
    .name = "descent",
    .summary = "find the mean of numbers by gradient descent",
    .examples = examples,
    .params = params,
    .rounds = rounds,
    .round_count = 1,
    .plan = plan,
    .start = start,
    .round_done = round_done,
};
