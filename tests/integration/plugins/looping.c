/* looping: a loop for the tests: counts its lines, shows in every pass what it was given, and
 * fails, waits or grows where it is told to.
 *
 * Two rounds a pass: the first adds up the pass's number for each line, the second takes its pairs
 * by another number of partitions. round_done writes, for each result, the line PASS.KEY TAB VALUE,
 * and sets a state of --size bytes that holds the pass; map refuses a state that is another. */
#include <glob.h>
#include <mr/job.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HEAD 16

static bool is_now(const struct mr_ctx *ctx, const char *where) {
    const char *given = mr_param(ctx, "in");
    return given && strcmp(given, where) == 0 && ctx->pass + 1 == mr_param_u64(ctx, "at-pass");
}

/* Cuts files short that other tasks left. */
static void damage(const char *pattern) {
    glob_t found = {0};
    if (pattern && glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            (void)!truncate(found.gl_pathv[i], 100);
        }
    }
    globfree(&found);
}

/* Tells the test that it has come here, and does what it should not. */
static int come_to(struct mr_ctx *ctx, const char *where) {
    if (!is_now(ctx, where)) {
        return 0;
    }
    const char *how = mr_param(ctx, "how");
    const char *began = mr_param(ctx, "began");
    bool is_first = began && symlink("x", began) == 0;
    if (is_first && strcmp(how, "once") == 0) {
        abort();
    }
    if (is_first && strcmp(how, "damage") == 0) {
        damage(mr_param(ctx, "damages"));
    }
    if (strcmp(how, "fail") == 0) {
        return mr_fail(ctx, "no further than %s", where);
    }
    if (strcmp(how, "crash") == 0) {
        abort();
    }
    return strcmp(how, "status") == 0 ? -1 : 0;
}

static void put_head(char head[HEAD + 1], uint64_t pass) {
    snprintf(head, HEAD + 1, "state %10llu", (unsigned long long)pass);
}

/* That what is handed to a task is the state that was set for its pass. */
static int check_state(struct mr_ctx *ctx) {
    struct mr_bytes state = mr_loop_state(ctx);
    char head[HEAD + 1];
    put_head(head, ctx->pass);
    if (state.len != mr_param_u64(ctx, "size") || state.len < HEAD ||
        memcmp(state.data, head, HEAD) != 0 || state.data[state.len - 1] == '\0') {
        return mr_fail(ctx, "pass %llu reads the state of another", (unsigned long long)ctx->pass);
    }
    return 0;
}

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    int status = check_state(ctx);
    status = status ? status : come_to(ctx, "map");
    return status ? status : mr_emit_u64(ctx, line, ctx->pass + 1);
}

static int reduce(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t count) {
    (void)state;
    int status = check_state(ctx);
    status = status ? status : come_to(ctx, "reduce");
    status = status ? status : mr_counter_add(ctx, "lines", 1);
    return status ? status : mr_emit_u64(ctx, key, count);
}

static int pass_on(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes value) {
    (void)state;
    int status = check_state(ctx);
    status = status ? status : come_to(ctx, "map_pair");
    char digits[24] = "";
    memcpy(digits, value.data, value.len < sizeof digits ? value.len : sizeof digits - 1);
    return status ? status : mr_emit_u64(ctx, key, strtoull(digits, NULL, 10));
}

/* The last byte of a key: so that partitions are not what the key order is. */
static int partition(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint32_t partitions,
                     uint32_t *partition) {
    (void)ctx, (void)state;
    *partition = key.len ? (unsigned char)key.data[key.len - 1] % partitions : 0;
    return 0;
}

static int set_state(struct mr_ctx *ctx, uint64_t pass) {
    uint64_t size = mr_param_u64(ctx, "size");
    char head[HEAD + 1];
    char *bytes = malloc(size + HEAD);
    if (!bytes) {
        return mr_fail(ctx, "out of memory");
    }
    put_head(head, pass);
    memset(bytes, 'x', size + HEAD);
    memcpy(bytes, head, HEAD);
    int status = mr_set_loop_state(ctx, (struct mr_bytes){bytes, size});
    free(bytes);
    return status;
}

static int start(struct mr_ctx *ctx) {
    int status = is_now(ctx, "start") ? come_to(ctx, "start") : 0;
    status = status ? status : mr_emit_u64(ctx, mr_bytes_text("start"), 0);
    return status ? status : set_state(ctx, 0);
}

static int write_results(struct mr_ctx *ctx, struct mr_results *results) {
    struct timespec pause = {.tv_nsec = (long)mr_param_u64(ctx, "result-us") * 1000};
    struct mr_bytes key;
    uint64_t value;
    int more;
    while ((more = mr_next_result_u64(ctx, results, &key, &value)) > 0) {
        char text[64];
        int len = snprintf(text, sizeof text, "%llu.%.*s", (unsigned long long)ctx->pass + 1,
                           key.len < 32 ? (int)key.len : 32, key.data);
        int status = mr_emit_u64(ctx, (struct mr_bytes){text, (size_t)len}, value);
        if (status) {
            return status;
        }
        if (pause.tv_nsec) {
            nanosleep(&pause, NULL);
        }
    }
    return more;
}

static int round_done(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    int status = check_state(ctx);
    status = status ? status : come_to(ctx, "round_done");
    status = status ? status : mr_counter_add(ctx, "passes", 1);
    if (!status && !mr_param_u64(ctx, "silent")) {
        status = write_results(ctx, results);
    }
    const char *grown = mr_param(ctx, "append");
    if (!status && grown) {
        FILE *file = fopen(grown, "a");
        status = file && fputs("one more\n", file) >= 0 && fclose(file) == 0 ? 0 : -1;
    }
    *again = ctx->pass + 1 < mr_param_u64(ctx, "passes");
    return status || !*again ? status : set_state(ctx, ctx->pass + 1);
}

static const struct mr_round rounds[] = {
    {.name = "count",
     .value = MR_SUM_U64,
     .map = map,
     .reduce_u64 = reduce,
     .partitions = 5,
     .partition = partition},
    {.name = "again",
     .value = MR_SUM_U64,
     .map_pair = pass_on,
     .reduce_u64 = reduce,
     .partitions = 3,
     .partition = partition},
};

static int plan(struct mr_ctx *ctx, const struct mr_round **chosen, uint32_t *count) {
    static struct mr_round own[2];
    uint32_t parts = (uint32_t)mr_param_u64(ctx, "parts");
    *count = (uint32_t)mr_param_u64(ctx, "rounds");
    if (*count > 2) {
        return mr_fail(ctx, "there are 2 rounds");
    }
    if (parts) {
        memcpy(own, rounds, sizeof own);
        own[*count - 1].partitions = parts;
        *chosen = own;
    }
    return 0;
}

static const struct mr_param params[] = {
    {.name = "passes", .kind = MR_PARAM_U64, .fallback = "3", .least = 1, .help = "how many"},
    {.name = "rounds", .kind = MR_PARAM_U64, .fallback = "2", .least = 1, .help = "of a pass"},
    {.name = "size", .kind = MR_PARAM_U64, .fallback = "40", .least = 17, .help = "its bytes"},
    {.name = "in", .kind = MR_PARAM_TEXT, .help = "which callback misbehaves"},
    {.name = "how",
     .kind = MR_PARAM_TEXT,
     .fallback = "nothing",
     .help = "fail, status, crash, once, damage"},
    {.name = "at-pass", .kind = MR_PARAM_U64, .fallback = "1", .least = 1, .help = "and in which"},
    {.name = "began", .kind = MR_PARAM_TEXT, .help = "a file that is made then"},
    {.name = "append", .kind = MR_PARAM_TEXT, .help = "a file that round_done makes longer"},
    {.name = "result-us", .kind = MR_PARAM_U64, .fallback = "0", .help = "waits at each result"},
    {.name = "parts", .kind = MR_PARAM_U64, .fallback = "0", .help = "of the last round; 0: few"},
    {.name = "silent", .kind = MR_PARAM_FLAG, .help = "write no results"},
    {.name = "damages", .kind = MR_PARAM_TEXT, .help = "which files, once: a pattern"},
    {0},
};

MR_PLUGIN = {.abi = MR_JOB_ABI,
             .name = "looping",
             .summary = "count lines again and again",
             .params = params,
             .rounds = rounds,
             .round_count = 2,
             .plan = plan,
             .start = start,
             .round_done = round_done};
