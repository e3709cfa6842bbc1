/* plan: decides, before any work, what a run consists of: splits, partitions, threads, memory. */
#include "master/local/plan/plan.h"

#include "lib/base/error.h"
#include "lib/base/machine.h"
#include "lib/base/number.h"
#include "lib/base/pool.h"
#include "lib/job/planning.h"
#include "lib/job/plugin.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define THREADS_MAX 256
#define INLINE_BYTES MIB        /* below, a thread costs more than it brings */
#define PROCESS_BYTES (8 * MIB) /* code, libraries, stacks, indexes */
#define THREAD_BYTES (MIB / 4)  /* stack, output buffers */
#define SIDE_FACTOR 5 /* what a side input takes, with what a job makes of it: mr_side_input */
#define COLLECTOR_BYTES_MIN (MIB + MIB / 4)
#define BLOCK_BYTES_MAX (MIB)
#define BLOCK_BYTES_MIN ((uint64_t)64 << 10)
#define RANGE_BYTES_MAX (4 * MIB)
#define PARTITIONS_MAX 4096
#define STATE_SHARE 32 /* of the memory, for a loop's state */
#define STATE_BYTES_MAX ((uint64_t)1 << 30)

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most) {
    return value < least ? least : value > most ? most : value;
}

static uint64_t floor_power_of_two(uint64_t value) {
    return value ? (uint64_t)1 << (63 - __builtin_clzll(value)) : 0;
}

/* What each thread has for reading. */
static uint64_t block_bytes(uint64_t total, unsigned threads) {
    return floor_power_of_two(clamp(total / threads / 32, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX));
}

/* What is taken before anything is shared out. */
static uint64_t own_bytes(uint64_t total, unsigned threads) {
    return PROCESS_BYTES + threads * (2 * block_bytes(total, threads) + THREAD_BYTES);
}

/* Shares memory out among `threads`; false where there are too many for it. */
static bool share_memory(struct mr_plan_memory *memory, unsigned threads) {
    memory->block_bytes = block_bytes(memory->total, threads);
    uint64_t own = own_bytes(memory->total, threads) + memory->side_bytes;
    if (own + threads * COLLECTOR_BYTES_MIN * 4 > memory->total) {
        return false;
    }
    uint64_t rest = memory->total - own;
    /* A collector may seal as much as it holds while the pool is just below its limit. */
    memory->collector_bytes = rest / 4 / threads;
    memory->pool_limit = rest / 2;
    memory->merge_bytes = rest / 3 / threads;
    memory->range_bytes = clamp(rest / threads / 16, MIB / 4, RANGE_BYTES_MAX);
    memory->buffered_max = clamp(rest / 16, MIB / 4, 2 * RANGE_BYTES_MAX);
    memory->windows_max = memory->total / 2;
    memory->fan_in = clamp(memory->merge_bytes / MR_POOL_CHUNK_BYTES / 2, 4, 64);
    memory->state_max = clamp(memory->total / STATE_SHARE, 0, STATE_BYTES_MAX);
    return true;
}

/* Shares memory out among processes of one thread each: what is planned is a process's. */
static void share_among_processes(const struct mr_run_spec *spec, struct mr_plan *plan) {
    uint64_t total = plan->memory.total;
    uint64_t most = spec->task_memory_bytes ? spec->task_memory_bytes / 2 : UINT64_MAX;
    bool fits = false;
    while (!fits) {
        uint64_t each = total / plan->threads;
        plan->memory.total = each < most ? each : most;
        fits = each >= MR_PLAN_MEMORY_MIN && share_memory(&plan->memory, 1);
        if (!fits && plan->threads == 1) { /* side inputs that leave a task too little */
            plan->memory.total = total;
            fits = share_memory(&plan->memory, 1);
            break;
        }
        plan->threads -= !fits;
    }
    plan->memory.total = total;
    plan->memory.state_max = clamp(total / STATE_SHARE, 0, STATE_BYTES_MAX); /* as by threads */
}

/* How large side inputs may be, so that one thread still has its least. */
static uint64_t side_bytes_max(const struct mr_plan *plan) {
    uint64_t total = plan->memory.total;
    return (total - own_bytes(total, 1) - COLLECTOR_BYTES_MIN * 4) / SIDE_FACTOR;
}

/* Whether values are folded by the job's code: the two, the result, and its own scratch are in
 * memory at once. */
static bool combines(const struct mr_plan *plan) {
    for (uint32_t i = 0; i < plan->round_count; i++) {
        if (plan->rounds[i].value == MR_COMBINED) {
            return true;
        }
    }
    return false;
}

static void plan_memory(const struct mr_run_spec *spec, struct mr_plan *plan) {
    uint64_t total = plan->memory.total;
    plan->memory.side_bytes = SIDE_FACTOR * mr_params_file_bytes(plan->params);
    if (spec->isolate) {
        share_among_processes(spec, plan);
        total /= plan->threads;
    }
    while (!spec->isolate && !share_memory(&plan->memory, plan->threads)) {
        plan->threads--; /* one thread always fits the least memory */
    }
    uint64_t record = spec->record_bytes_max ? spec->record_bytes_max : MR_PLAN_RECORD_MAX;
    plan->record_bytes_max = clamp(record, 1, total / (combines(plan) ? 8 : 4));
}

static void plan_threads(const struct mr_run_spec *spec, struct mr_plan *plan) {
    unsigned wanted = spec->threads ? spec->threads : mr_machine_cpus();
    uint64_t useful = plan->inputs.weighted_bytes / INLINE_BYTES + 1;
    plan->is_inline = !plan->inputs.has_stream && useful == 1 && !spec->isolate;
    if (plan->is_inline) {
        plan->threads = 1;
        return;
    }
    plan->threads = (unsigned)clamp(wanted, 1, THREADS_MAX);
    if (!plan->inputs.has_stream && plan->threads > useful) {
        plan->threads = (unsigned)useful;
    }
}

/* Lets the job look at its parameters. */
static int ask_job(struct mr_plan *plan, struct mr_error *err) {
    struct mr_planning chosen;
    (void)!mr_planning_ask(plan->job, plan->params, &chosen, err);
    plan->rounds = chosen.rounds;
    plan->round_count = chosen.round_count;
    plan->facts = chosen.facts;
    plan->loops = plan->job->round_done != NULL;
    return err->code;
}

static const char *choose_tmp(const struct mr_run_spec *spec) {
    const char *from_environment = getenv("TMPDIR");
    if (spec->tmp) {
        return spec->tmp;
    }
    return from_environment && *from_environment ? from_environment : "/tmp";
}

/* A place for scratch files that was named must be there; it is needed only much later, perhaps. */
static int check_tmp(const char *tmp, struct mr_error *err) {
    if (!tmp) {
        return MR_OK;
    }
    struct stat about;
    bool is_there = stat(tmp, &about) == 0;
    if (is_there && !S_ISDIR(about.st_mode)) {
        errno = ENOTDIR;
    } else if (is_there && faccessat(AT_FDCWD, tmp, W_OK | X_OK, AT_EACCESS) == 0) {
        return MR_OK;
    }
    return mr_error_errno(err, MR_ERR_USAGE, errno, "--tmp \"%s\"", tmp);
}

static int check_spec(const struct mr_run_spec *spec, struct mr_error *err) {
    if (!spec->job) {
        return mr_error_set(err, MR_ERR_USAGE, "no job was named");
    }
    if (spec->memory_bytes && spec->memory_bytes < MR_PLAN_MEMORY_MIN) {
        return mr_error_set(err, MR_ERR_USAGE, "--memory must be at least 16M");
    }
    if (spec->partitions > PARTITIONS_MAX) {
        return mr_error_set(err, MR_ERR_USAGE, "--partitions must be at most %d", PARTITIONS_MAX);
    }
    if (spec->isolate && !spec->task_program) {
        return mr_error_set(err, MR_ERR_USAGE, "isolate needs task_program: who runs the tasks?");
    }
    if (spec->task_memory_bytes && spec->task_memory_bytes < MR_RUN_TASK_MEMORY_MIN) {
        return mr_error_set(err, MR_ERR_USAGE, "--task-memory must be at least 64M");
    }
    int status = check_tmp(spec->tmp, err);
    return status ? status : mr_plugin_check(spec->job, err);
}

/* What can be read once only can't be read by a second attempt, nor by a loop's second pass. */
static int check_inputs(const struct mr_run_spec *spec, const struct mr_plan *plan,
                        struct mr_error *err) {
    const struct mr_inputs *inputs = &plan->inputs;
    for (size_t i = 0; (spec->isolate || plan->loops) && i < inputs->count; i++) {
        if (inputs->items[i].kind == MR_INPUT_STREAM) {
            const char *path = inputs->items[i].path;
            bool is_stdin = strcmp(path, "-") == 0;
            const char *quote = is_stdin ? "" : "\"";
            const char *shown = is_stdin ? "standard input" : path;
            return plan->loops
                       ? mr_error_set(err, MR_ERR_USAGE,
                                      "%s%s%s can be read only once: name a file (%s loops, and "
                                      "reads its input once a pass)",
                                      quote, shown, quote, plan->job->name)
                       : mr_error_set(err, MR_ERR_USAGE,
                                      "%s%s%s can't be read again after a crash: name a file "
                                      "(--isolate)",
                                      quote, shown, quote);
        }
    }
    return MR_OK;
}

/* What can't go together: a record set aside in one pass would have to be in all. */
static int check_loop(const struct mr_run_spec *spec, const struct mr_plan *plan,
                      struct mr_error *err) {
    if (plan->loops && spec->skip_bad_records) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "--skip-bad-records does not go with jobs that loop, and %s does: "
                            "leave it out",
                            plan->job->name);
    }
    return MR_OK;
}

/* A number of partitions that would have no effect is refused. */
static int check_partitions(const struct mr_run_spec *spec, const struct mr_plan *plan,
                            struct mr_error *err) {
    const struct mr_round *last = &plan->rounds[plan->round_count - 1];
    uint32_t partitions = mr_plan_partitions(plan, spec, plan->round_count - 1);
    if (!spec->partitions || spec->partitions == partitions) {
        return MR_OK;
    }
    if (!spec->output) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "--partitions %u needs an output directory to make (-o DIR): without "
                            "one the result is one stream",
                            spec->partitions);
    }
    return mr_error_set(err, MR_ERR_USAGE,
                        "--partitions %u does not go with round %s of %s, which always makes %u: "
                        "leave it out",
                        spec->partitions, last->name, plan->job->name, partitions);
}

static int make_params(const struct mr_run_spec *spec, struct mr_plan *plan, struct mr_error *err) {
    struct mr_params_source source = {.job = spec->job,
                                      .given = spec->params,
                                      .count = spec->param_count,
                                      .file_bytes_max = side_bytes_max(plan)};
    return mr_params_create(&source, &plan->params, err);
}

int mr_plan_make(const struct mr_run_spec *spec, struct mr_plan *plan, struct mr_error *err) {
    uint64_t granted = spec->memory_bytes ? spec->memory_bytes : mr_machine_memory() / 2;
    *plan = (struct mr_plan){.job = spec->job,
                             .memory.total =
                                 granted < MR_PLAN_MEMORY_MIN ? MR_PLAN_MEMORY_MIN : granted};
    if (check_spec(spec, err) || make_params(spec, plan, err) || ask_job(plan, err) ||
        check_loop(spec, plan, err) || check_partitions(spec, plan, err) ||
        mr_inputs_expand(spec->inputs, spec->input_count, &plan->inputs, err) ||
        check_inputs(spec, plan, err) || mr_splits_plan(&plan->inputs, &plan->splits, err)) {
        return err->code;
    }
    plan->partitions = mr_splits_partitions(plan->inputs.weighted_bytes, plan->inputs.has_stream);
    plan->tmp = choose_tmp(spec);
    plan_threads(spec, plan);
    plan_memory(spec, plan);
    return MR_OK;
}

void mr_plan_fini(struct mr_plan *plan) {
    mr_splits_fini(&plan->splits);
    mr_inputs_fini(&plan->inputs);
    mr_params_destroy(plan->params);
    plan->params = NULL;
}

bool mr_plan_is_output(const struct mr_plan *plan, uint32_t round) {
    return round + 1 == plan->round_count && !plan->loops;
}

uint32_t mr_plan_partitions(const struct mr_plan *plan, const struct mr_run_spec *spec,
                            uint32_t round) {
    uint32_t own = plan->rounds[round].partitions;
    if (mr_plan_is_output(plan, round) && !spec->output) {
        return 1;
    }
    if (own) {
        return own;
    }
    return round + 1 == plan->round_count && spec->partitions ? spec->partitions : plan->partitions;
}

uint32_t mr_plan_parts(const struct mr_plan *plan, const struct mr_run_spec *spec) {
    return plan->loops ? 1 : mr_plan_partitions(plan, spec, plan->round_count - 1);
}
