/* misbehave: a job that does at a chosen record or key what a job should not, for the tests of
 * faults. */
#include <mr/job.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Makes --began, a link that leads to the number of this process, so that the test knows that it
 * has begun, and where; whether it was the first. */
static bool mark_begin(struct mr_ctx *ctx) {
    const char *began = mr_param(ctx, "began");
    char own[32];
    snprintf(own, sizeof own, "%d", (int)getpid());
    return began && symlink(own, began) == 0;
}

/* A wait that the test ends: until the file named by --until exists. */
static void wait_for_file(struct mr_ctx *ctx) {
    const char *until = mr_param(ctx, "until");
    struct timespec pause = {.tv_nsec = 2000000};
    (void)mark_begin(ctx);
    while (until && access(until, F_OK) != 0) {
        nanosleep(&pause, NULL);
    }
}

static volatile int *nowhere;

/* What each record takes from now on, in the one process that came first: which made --began. */
static uint64_t crawl_us;

/* A stack overflow; the branch keeps the compiler from calling it endless. */
static int recurse(int depth) {
    volatile char page[4096];
    page[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + page[0];
}

static int misbehave(struct mr_ctx *ctx) {
    const char *how = mr_param(ctx, "how");
    if (strcmp(how, "fail") == 0) {
        return mr_fail(ctx, "this record is not to my taste");
    }
    if (strcmp(how, "status") == 0) {
        return MR_ERR_JOB; /* without a word */
    }
    if (strcmp(how, "segv") == 0) {
        *nowhere = 1;
    }
    if (strcmp(how, "abort") == 0) {
        abort();
    }
    if (strcmp(how, "fpe") == 0) {
        raise(SIGFPE);
    }
    if (strcmp(how, "stack") == 0) {
        return recurse(0);
    }
    if (strcmp(how, "wait") == 0) {
        wait_for_file(ctx);
    }
    if (strcmp(how, "crawl") == 0) {
        crawl_us = mark_begin(ctx) ? mr_param_u64(ctx, "crawl-us") : 0;
    }
    return 0;
}

static bool is_it(struct mr_ctx *ctx, const char *param, struct mr_bytes text) {
    const char *wanted = mr_param(ctx, param);
    return wanted && strlen(wanted) == text.len && memcmp(wanted, text.data, text.len) == 0;
}

/* Spends --map-us or --reduce-us microseconds. */
static void dawdle(struct mr_ctx *ctx, const char *param) {
    uint64_t microseconds = crawl_us ? crawl_us : mr_param_u64(ctx, param);
    if (microseconds) {
        struct timespec pause = {.tv_nsec = (long)(microseconds * 1000)};
        nanosleep(&pause, NULL);
    }
}

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    dawdle(ctx, "map-us");
    int status = is_it(ctx, "at", line) ? misbehave(ctx) : 0;
    return status ? status : mr_emit(ctx, line, mr_bytes_text("1"));
}

/* All keys together. Called when a table is sealed: with --seal it says so. */
static int partition(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint32_t partitions,
                     uint32_t *partition) {
    bool *has_begun = state;
    (void)key, (void)partitions;
    *partition = 0;
    if (!*has_begun && mr_param_u64(ctx, "seal")) {
        wait_for_file(ctx);
    }
    *has_begun = true;
    return 0;
}

static int reduce(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_values *values) {
    (void)state;
    struct mr_bytes value;
    int more;
    if (is_it(ctx, "began-at", key)) {
        wait_for_file(ctx);
    }
    while ((more = mr_next(ctx, values, &value)) > 0) {
        dawdle(ctx, "reduce-us");
    }
    if (more < 0) {
        return more;
    }
    int status = is_it(ctx, "reduce-at", key) ? misbehave(ctx) : 0;
    return status ? status : mr_emit(ctx, key, mr_bytes_text("1"));
}

static int setup(struct mr_ctx *ctx, void **state) {
    *state = calloc(1, sizeof(bool));
    if (!*state) {
        return MR_ERR_NOMEM;
    }
    int status = mr_param_u64(ctx, "setup") ? misbehave(ctx) : 0;
    if (status) { /* no teardown follows */
        free(*state);
        *state = NULL;
    }
    return status;
}

static void teardown(void *state) {
    free(state);
}

static int plan(struct mr_ctx *ctx, const struct mr_round **chosen, uint32_t *count) {
    (void)chosen, (void)count;
    return mr_param_u64(ctx, "plan") ? misbehave(ctx) : 0;
}

static const struct mr_round rounds[] = {
    {.name = "only", .value = MR_VALUES, .map = map, .partition = partition, .reduce = reduce},
};

static const struct mr_param params[] = {
    {.name = "how",
     .kind = MR_PARAM_TEXT,
     .fallback = "nothing",
     .metavar = "HOW",
     .help = "what it does"},
    {.name = "at", .kind = MR_PARAM_TEXT, .metavar = "LINE", .help = "in map, at this line"},
    {.name = "reduce-at",
     .kind = MR_PARAM_TEXT,
     .metavar = "KEY",
     .help = "in reduce, behind this key"},
    {.name = "began-at",
     .kind = MR_PARAM_TEXT,
     .metavar = "KEY",
     .help = "in reduce, wait at this key"},
    {.name = "seal", .kind = MR_PARAM_FLAG, .help = "wait when a table is sealed"},
    {.name = "setup", .kind = MR_PARAM_FLAG, .help = "in setup"},
    {.name = "plan", .kind = MR_PARAM_FLAG, .help = "in plan"},
    {.name = "map-us",
     .kind = MR_PARAM_U64,
     .fallback = "0",
     .metavar = "N",
     .help = "each line takes so long"},
    {.name = "reduce-us",
     .kind = MR_PARAM_U64,
     .fallback = "0",
     .metavar = "N",
     .help = "each value takes so long"},
    {.name = "crawl-us",
     .kind = MR_PARAM_U64,
     .fallback = "0",
     .metavar = "N",
     .help = "what crawls takes so long for each line or value"},
    {.name = "began", .kind = MR_PARAM_TEXT, .metavar = "FILE", .help = "made when a wait begins"},
    {.name = "until",
     .kind = MR_PARAM_TEXT,
     .metavar = "FILE",
     .help = "ends the wait when it exists"},
    {0},
};

MR_PLUGIN = {
    .abi = MR_JOB_ABI,
    .name = "misbehave",
    .summary = "misbehave on demand",
    .params = params,
    .rounds = rounds,
    .round_count = 1,
    .setup = setup,
    .teardown = teardown,
    .plan = plan,
};
