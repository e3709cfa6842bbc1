/* linelength: how many lines there are of each length in bytes. */
#include <mr/job.h>
#include <stdio.h>

/* Ten digits, so that byte order is the order of the numbers. */
static struct mr_bytes length_key(char digits[11], size_t len) {
    snprintf(digits, 11, "%010zu", len);
    return mr_bytes_text(digits);
}

static int count_line(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    uint64_t step = mr_param_u64(ctx, "step");
    char digits[11];
    return mr_emit_u64(ctx, length_key(digits, line.len - line.len % step), 1);
}

static const struct mr_round rounds[] = {
    {.name = "count", .value = MR_SUM_U64, .map = count_line},
};

static const struct mr_param params[] = {
    {.name = "step",
     .kind = MR_PARAM_U64,
     .fallback = "1",
     .least = 1,
     .metavar = "N",
     .help = "join lengths in steps of N"},
    {0},
};

static const char *const examples[] = {
    "millrace run ./liblinelength.so book.txt",
    "millrace run ./liblinelength.so --step 10 book.txt",
    NULL,
};

MR_PLUGIN = {
    .abi = MR_JOB_ABI,
    .name = "linelength",
    .summary = "count lines by their length",
    .examples = examples,
    .params = params,
    .rounds = rounds,
    .round_count = 1,
};
