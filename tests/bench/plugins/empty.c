/* empty: a job of as many tasks as asked for, none of which does anything: what a task itself
 * costs.
 *
 * Its first round has a reduce task for each, its second a map task for each. */
#include <mr/job.h>

static struct mr_round rounds[2];

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes record) {
    (void)ctx;
    (void)state;
    (void)record;
    return 0;
}

static int plan(struct mr_ctx *ctx, const struct mr_round **chosen, uint32_t *count) {
    uint32_t tasks = (uint32_t)mr_param_u64(ctx, "tasks");
    rounds[0] =
        (struct mr_round){.name = "reduce", .map = map, .value = MR_SUM_U64, .partitions = tasks};
    rounds[1] = (struct mr_round){.name = "map", .value = MR_VALUES, .partitions = 1};
    *chosen = rounds;
    *count = 2;
    return 0;
}

static const struct mr_param params[] = {
    {.name = "tasks",
     .kind = MR_PARAM_U64,
     .fallback = "5000",
     .least = 1,
     .metavar = "N",
     .help = "Run N empty reduce tasks, then N empty map tasks."},
    {0},
};

static const struct mr_round listed[] = {
    {.name = "reduce", .map = map, .value = MR_SUM_U64},
    {.name = "map", .value = MR_VALUES, .partitions = 1},
};

MR_PLUGIN = {.abi = MR_JOB_ABI,
             .name = "empty",
             .summary = "run tasks that do nothing",
             .params = params,
             .rounds = listed,
             .round_count = 2,
             .plan = plan};
