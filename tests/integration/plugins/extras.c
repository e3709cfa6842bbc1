/* extras: lines that also stand in a side input, counted; shows parameters of every kind. */
#include "line.h"

#include <stdio.h>

static bool holds_line(struct mr_bytes text, struct mr_bytes line) {
    size_t at = 0;
    while (at < text.len) {
        const char *newline = memchr(text.data + at, '\n', text.len - at);
        size_t end = newline ? (size_t)(newline - text.data) : text.len;
        if (line_same((struct mr_bytes){text.data + at, end - at}, line)) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes record) {
    struct mr_bytes known;
    (void)state;
    mr_log(ctx, "a line of %zu bytes", record.len);
    if (mr_counter_add(ctx, "lines", 1) || mr_counter_add(ctx, "bytes", record.len) ||
        mr_side_input(ctx, "known", &known)) {
        return MR_ERR_JOB;
    }
    if (known.len && !holds_line(known, record)) {
        return mr_counter_add(ctx, "unknown", 1);
    }
    return mr_emit_u64(ctx, record, mr_param_u64(ctx, "weight"));
}

static int end(struct mr_ctx *ctx, void *state) {
    const char *text = mr_param(ctx, "text");
    char line[200];
    int len = snprintf(line, sizeof line, "%s %s %llu %s",
                       mr_param_u64(ctx, "loud") ? "loud" : "quiet", mr_param(ctx, "mode"),
                       (unsigned long long)mr_param_u64(ctx, "weight"), text ? text : "(none)");
    (void)state;
    return mr_emit(ctx, mr_bytes_text("~params"), (struct mr_bytes){line, (size_t)len});
}

static const char *const *facts(struct mr_ctx *ctx) {
    static const char *const list[] = {"extras=7", NULL};
    (void)ctx;
    return list;
}

static const struct mr_param params[] = {
    {.name = "loud", .kind = MR_PARAM_FLAG, .help = "a flag"},
    {.name = "weight",
     .kind = MR_PARAM_U64,
     .fallback = "1",
     .least = 1,
     .metavar = "N",
     .help = "a number"},
    {.name = "mode",
     .kind = MR_PARAM_CHOICE,
     .fallback = "one",
     .choices = "one|two",
     .help = "a choice"},
    {.name = "text", .kind = MR_PARAM_TEXT, .metavar = "TEXT", .help = "a text"},
    {.name = "known", .kind = MR_PARAM_FILE, .metavar = "FILE", .help = "a file"},
    {.name = NULL},
};
static const struct mr_round rounds[] = {
    {.name = "extras", .value = MR_SUM_U64, .partitions = 1, .map = map, .reduce_end = end}};
MR_PLUGIN = {.abi = MR_JOB_ABI,
             .name = "extras",
             .summary = "parameters, counters, a side input",
             .params = params,
             .rounds = rounds,
             .round_count = 1,
             .facts = facts};
