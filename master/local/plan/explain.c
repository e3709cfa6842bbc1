/* explain: writes a plan for people. */
#include "master/local/plan/explain.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/number.h"
#include "lib/output/commit.h"

#define ROWS_MAX 20 /* inputs, and names passed over, that are listed */

/* A size for people, in a caller's array. */
struct size_text {
    char text[32];
};
static struct size_text size_of(uint64_t bytes) {
    struct size_text size;
    mr_number_put_size(size.text, sizeof size.text, bytes);
    return size;
}

static const char *describe_kind(enum mr_input_kind kind) {
    switch (kind) {
    case MR_INPUT_FILE:
        return "split anywhere between records";
    case MR_INPUT_STREAM:
        return "one split: a stream can only be read from start to end";
    case MR_INPUT_GZIP:
        return "one split: gzip can only be inflated from start to end";
    case MR_INPUT_ZSTD:
        return "one split: zstd is decompressed from start to end";
    }
    return "";
}

static int write_inputs(struct mr_buffer *out, const struct mr_plan *plan, struct mr_error *err) {
    const struct mr_inputs *inputs = &plan->inputs;
    size_t shown = inputs->count < ROWS_MAX ? inputs->count : ROWS_MAX;
    if (mr_buffer_printf(out, err, "inputs      %zu file%s, %s\n", inputs->count,
                         inputs->count == 1 ? "" : "s", size_of(inputs->bytes).text)) {
        return err->code;
    }
    for (size_t i = 0; i < shown; i++) {
        const struct mr_input *input = &inputs->items[i];
        bool is_empty = input->kind == MR_INPUT_FILE && input->size == 0;
        if (mr_buffer_printf(out, err, "            %s  %s  %s\n", input->path,
                             input->kind == MR_INPUT_STREAM ? "?" : size_of(input->size).text,
                             is_empty ? "empty: no split" : describe_kind(input->kind))) {
            return err->code;
        }
    }
    if (shown < inputs->count) {
        return mr_buffer_printf(out, err, "            and %zu more\n", inputs->count - shown);
    }
    return MR_OK;
}

/* The first line begins with the one word, the others with the other. */
static int write_skipped(struct mr_buffer *out, const struct mr_inputs *inputs, const char *first,
                         const char *other, struct mr_error *err) {
    size_t shown = inputs->skipped_count < ROWS_MAX ? inputs->skipped_count : ROWS_MAX;
    for (size_t i = 0; i < shown; i++) {
        if (mr_buffer_printf(out, err, "%s%s  %s\n", i ? other : first, inputs->skipped[i].path,
                             inputs->skipped[i].why)) {
            return err->code;
        }
    }
    if (shown < inputs->skipped_count) {
        return mr_buffer_printf(out, err, "%sand %zu more\n", other, inputs->skipped_count - shown);
    }
    return MR_OK;
}

int mr_explain_skipped(const struct mr_plan *plan, int out_fd, struct mr_error *err) {
    static const char begin[] = "skipped: ";
    struct mr_buffer out = {0};
    if (plan->inputs.skipped_count && !write_skipped(&out, &plan->inputs, begin, begin, err)) {
        (void)!mr_file_write(out_fd, out.data, out.len, "standard error", err);
    }
    mr_buffer_fini(&out);
    return err->code;
}

static int write_rounds(struct mr_buffer *out, const struct mr_run_spec *spec,
                        const struct mr_plan *plan, struct mr_error *err) {
    for (uint32_t round = 0; round < plan->round_count; round++) {
        uint32_t partitions = mr_plan_partitions(plan, spec, round);
        bool is_stream = mr_plan_is_output(plan, round) && !spec->output;
        if (mr_buffer_printf(out, err, "round %-5u %s: %u partition%s%s\n", round + 1,
                             plan->rounds[round].name, partitions, partitions == 1 ? "" : "s",
                             is_stream ? ", written as one sorted stream" : "")) {
            return err->code;
        }
    }
    return MR_OK;
}

static int write_loop(struct mr_buffer *out, const struct mr_plan *plan, struct mr_error *err) {
    if (!plan->loops) {
        return MR_OK;
    }
    return mr_buffer_printf(out, err,
                            "loop        %s again and again until %s says that it is done; its "
                            "state is up to %s\n",
                            plan->round_count == 1 ? "this round" : "these rounds", plan->job->name,
                            size_of(plan->memory.state_max).text);
}

/* Who does the work. */
static int write_workers(struct mr_buffer *out, const struct mr_run_spec *spec,
                         const struct mr_plan *plan, struct mr_error *err) {
    if (!spec->isolate) {
        return mr_buffer_printf(out, err, "threads     %u\n", plan->threads);
    }
    if (mr_buffer_printf(out, err, "processes   %u", plan->threads) ||
        (spec->task_memory_bytes &&
         mr_buffer_printf(out, err, ", of at most %s each (--task-memory)",
                          size_of(spec->task_memory_bytes).text))) {
        return err->code;
    }
    return mr_buffer_printf(out, err,
                            "\n            up to %u attempts at a task, each ended after %g s "
                            "without a record\n",
                            spec->max_attempts ? spec->max_attempts : MR_RUN_MAX_ATTEMPTS,
                            spec->task_timeout > 0 ? spec->task_timeout : MR_RUN_TASK_TIMEOUT);
}

static int write_memory(struct mr_buffer *out, const struct mr_run_spec *spec,
                        const struct mr_plan *plan, struct mr_error *err) {
    const struct mr_plan_memory *memory = &plan->memory;
    return mr_buffer_printf(
        out, err,
        "memory      %s: %s a %s to combine in, %s for sorted runs%s, then spills to %s\n"
        "records     up to %s\n",
        size_of(memory->total).text, size_of(memory->collector_bytes).text,
        spec->isolate ? "process" : "thread", size_of(memory->pool_limit).text,
        spec->isolate ? " of each" : "", plan->tmp, size_of(plan->record_bytes_max).text);
}

/* Where the output goes, and whether a run would refuse that; with a state it may be its own. */
static int write_output(struct mr_buffer *out, const struct mr_run_spec *spec,
                        struct mr_error *err) {
    struct mr_error why = {0};
    if (!spec->output) {
        return mr_buffer_append_text(out, "output      standard output\n", err);
    }
    if (mr_buffer_printf(out, err, "output      %s\n", spec->output)) {
        return err->code;
    }
    return !spec->state && mr_commit_look(spec->output, spec->overwrite, &why)
               ? mr_buffer_printf(out, err, "            a run would refuse it: %s\n", why.text)
               : MR_OK;
}

int mr_explain_write(const struct mr_run_spec *spec, const struct mr_plan *plan, int out_fd,
                     struct mr_error *err) {
    struct mr_buffer out = {0};
    if (!mr_buffer_printf(&out, err, "job         %s: %s\n", plan->job->name,
                          plan->job->summary ? plan->job->summary : "") &&
        !write_inputs(&out, plan, err) &&
        !write_skipped(&out, &plan->inputs, "skipped     ", "            ", err) &&
        !mr_buffer_printf(&out, err, "splits      %zu, of up to %s\n", plan->splits.count,
                          size_of(plan->splits.split_bytes).text) &&
        !write_rounds(&out, spec, plan, err) && !write_loop(&out, plan, err) &&
        !write_workers(&out, spec, plan, err) && !write_memory(&out, spec, plan, err) &&
        !write_output(&out, spec, err)) {
        (void)!mr_file_write(out_fd, out.data, out.len, "standard output", err);
    }
    mr_buffer_fini(&out);
    return err->code;
}
