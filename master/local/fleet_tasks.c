/* fleet_tasks: the tasks of a fleet's round: what they read, who won, what failed, and why. */
#include "master/local/fleet_tasks.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include <stdlib.h>

#define NOWHERE UINT64_MAX
#define TIMES_SURE 2 /* failures at one record that make it a bad one */
#define TRIES_EACH 3 /* attempts that find one: its block, the record, and again */
#define BROKEN_MAX 8 /* of a round that don't count: a code that breaks more breaks them all */

/* ---- the round --------------------------------------------------------------------------------*/

int mr_fleet_tasks_open(struct mr_fleet_tasks *tasks, const struct mr_stage_source *source,
                        uint32_t round, struct mr_error *err) {
    const struct mr_plan *plan = source->plan;
    uint32_t *pairs = tasks->reduce_winners;
    struct mr_aside aside = tasks->aside;
    uint32_t maps = round == 0 ? (uint32_t)plan->splits.count : tasks->partitions;
    tasks->reduce_winners = NULL;
    tasks->aside = (struct mr_aside){0};
    mr_fleet_tasks_close(tasks);
    *tasks = (struct mr_fleet_tasks){.source = source,
                                     .round = round,
                                     .maps = maps,
                                     .partitions = mr_plan_partitions(plan, source->spec, round),
                                     .is_last = mr_plan_is_output(plan, round),
                                     .pair_winners = pairs,
                                     .aside = aside};
    tasks->map_winners = calloc((size_t)maps + 1, sizeof *tasks->map_winners);
    tasks->reduce_winners = calloc((size_t)tasks->partitions + 1, sizeof *tasks->reduce_winners);
    tasks->map_is_short = calloc((size_t)maps + 1, sizeof *tasks->map_is_short);
    tasks->reduce_is_short = calloc((size_t)tasks->partitions + 1, sizeof *tasks->reduce_is_short);
    bool has_all = tasks->map_winners && tasks->reduce_winners && tasks->map_is_short &&
                   tasks->reduce_is_short;
    if (round == 0) {
        tasks->cares = calloc((size_t)maps + 1, sizeof *tasks->cares);
        has_all = has_all && tasks->cares;
    }
    for (uint32_t i = 0; tasks->cares && i < maps; i++) {
        tasks->cares[i].block = tasks->cares[i].last = NOWHERE;
    }
    return has_all ? MR_OK : mr_error_nomem(err, "opening a round");
}

void mr_fleet_tasks_close(struct mr_fleet_tasks *tasks) {
    for (uint32_t i = 0; tasks->cares && i < tasks->maps; i++) {
        free(tasks->cares[i].skips);
    }
    free(tasks->cares);
    mr_aside_fini(&tasks->aside);
    free(tasks->pair_winners);
    free(tasks->map_winners);
    free(tasks->reduce_winners);
    free(tasks->map_is_short);
    free(tasks->reduce_is_short);
    *tasks = (struct mr_fleet_tasks){0};
}

static bool is_short(const struct mr_fleet_tasks *tasks, const struct mr_core_attempt *attempt) {
    bool is_map = attempt->phase == MR_PHASE_MAP;
    return is_map ? tasks->map_is_short[attempt->task] : tasks->reduce_is_short[attempt->task];
}

void mr_fleet_tasks_order(const struct mr_fleet_tasks *tasks, const struct mr_core_attempt *attempt,
                          struct mr_orders_task *order) {
    const struct mr_plan *plan = tasks->source->plan;
    *order = (struct mr_orders_task){.phase = attempt->phase,
                                     .round = tasks->round,
                                     .task = attempt->task,
                                     .attempt = attempt->attempt,
                                     .partitions = tasks->partitions,
                                     .is_last = tasks->is_last,
                                     .halvings = is_short(tasks, attempt) ? 1 : 0};
    if (attempt->phase == MR_PHASE_REDUCE) {
        order->winners = tasks->map_winners;
        order->winner_count = tasks->maps;
    } else if (tasks->round > 0) {
        order->winners = &tasks->pair_winners[attempt->task];
        order->winner_count = 1;
    } else {
        order->split = plan->splits.items[attempt->task];
        order->input = plan->inputs.items[order->split.input];
        order->care_block = tasks->cares[attempt->task].block;
        order->skips = tasks->cares[attempt->task].skips;
        order->skip_count = tasks->cares[attempt->task].skip_count;
    }
}

static void book_map(struct mr_books *books, const struct mr_orders_result *result) {
    books->map.records_read += result->records_read;
    books->map.records_mapped += result->records_mapped;
    books->map.records_skipped += result->records_skipped;
    books->map.bytes += result->bytes_read;
    books->map.read_seconds += (double)result->read_us / 1e6;
    books->emitted += result->emitted;
    books->combined += result->combined;
    books->shuffled += result->output_records;
    books->run_bytes += result->output_bytes;
    books->bytes_spilled += result->spilled;
    books->map_seconds += (double)result->busy_us / 1e6;
}

static void book_reduce(struct mr_books *books, const struct mr_orders_result *result) {
    books->combined += result->combined; /* merged in steps, before it was reduced */
    books->shuffled -= result->combined;
    books->reduce.pairs_reduced += result->pairs_reduced;
    books->reduce.groups += result->groups;
    books->reduce.groups_with_output += result->groups_with_output;
    books->reduce.groups_without_output += result->groups_without_output;
    books->reduce.records_out += result->records_out;
    books->reduce.bytes_out += result->bytes_out;
    books->reduce.wait_seconds += (double)result->wait_us / 1e6;
    books->bytes_spilled += result->spilled;
    books->reduce_seconds += (double)result->busy_us / 1e6;
}

int mr_fleet_tasks_accept(struct mr_fleet_tasks *tasks, const struct mr_core_attempt *attempt,
                          struct mr_hand_outcome *outcome, struct mr_books *books,
                          struct mr_error *err) {
    const struct mr_orders_result *result = &outcome->result;
    if (attempt->phase == MR_PHASE_MAP) {
        tasks->map_winners[attempt->task] = attempt->attempt;
        tasks->bytes_mapped += result->bytes_read;
        book_map(books, result);
    } else {
        tasks->reduce_winners[attempt->task] = attempt->attempt;
        tasks->reduces_done++;
        book_reduce(books, result);
    }
    if (attempt->phase == MR_PHASE_REDUCE && tasks->is_last) {
        tasks->source->result->parts[attempt->task] =
            (struct mr_run_part){result->output_records, result->output_bytes, result->output_xxh3};
    }
    mr_books_take_counters(books, &outcome->counters);
    *err = books->err;
    for (size_t i = 0; i < outcome->skipped_count && !err->code; i++) {
        const struct mr_plan *plan = tasks->source->plan;
        const char *path = plan->inputs.items[plan->splits.items[attempt->task].input].path;
        (void)!mr_aside_take(&tasks->aside, attempt->task, path, &outcome->skipped[i], err);
    }
    return err->code;
}

/* Enters a record among those to be set aside. */
static bool add_skip(struct mr_fleet_care *care, uint64_t offset) {
    uint64_t *skips = realloc(care->skips, (care->skip_count + 1) * sizeof *skips);
    if (!skips) {
        return false;
    }
    care->skips = skips;
    size_t at = care->skip_count++;
    for (; at > 0 && skips[at - 1] > offset; at--) {
        skips[at] = skips[at - 1];
    }
    skips[at] = offset;
    return true;
}

/* A record that failed twice is a bad one: it is set aside, or the job fails by it. */
static bool condemn(struct mr_fleet_tasks *tasks, struct mr_fleet_care *care,
                    struct mr_hand_outcome *outcome) {
    uint32_t most = tasks->source->spec->skip_bad_records;
    if (tasks->skips < most && add_skip(care, outcome->offset)) {
        tasks->skips++;
        care->last = NOWHERE;
        care->times = 0;
        return true;
    }
    outcome->is_fatal = true;
    if (most) {
        mr_error_add(&outcome->err, "; a record more than --skip-bad-records %u allows", most);
    } else {
        mr_error_add(&outcome->err,
                     "; the second time at this record: --skip-bad-records N sets up "
                     "to N such records aside");
    }
    return false;
}

/* What a failure says about the task's records. True: it is part of the search for a bad one. */
static bool judge_place(struct mr_fleet_tasks *tasks, const struct mr_core_attempt *attempt,
                        struct mr_hand_outcome *outcome) {
    if (!outcome->has_place || !tasks->cares || attempt->phase != MR_PHASE_MAP ||
        outcome->is_fatal) {
        return false;
    }
    bool skips = tasks->source->spec->skip_bad_records > 0;
    struct mr_fleet_care *care = &tasks->cares[attempt->task];
    if (!outcome->is_exact) { /* the next attempt looks closer */
        bool is_new = care->block != outcome->block;
        care->block = outcome->block;
        return skips && is_new;
    }
    care->times = care->last == outcome->offset ? care->times + 1 : 1;
    care->last = outcome->offset;
    if (care->times >= TIMES_SURE) {
        return condemn(tasks, care, outcome);
    }
    return skips;
}

/* The search for bad records is bounded by what it takes to find one too many: code that fails here
 * and there fails for another reason. */
static bool is_within_search(struct mr_fleet_tasks *tasks, const struct mr_core_attempt *attempt) {
    uint64_t most = TRIES_EACH * ((uint64_t)tasks->source->spec->skip_bad_records + 1);
    return tasks->cares[attempt->task].uncounted++ < most;
}

/* Memory did not suffice: one more attempt, with half the buffers. */
static void judge_memory(struct mr_fleet_tasks *tasks, const struct mr_core_attempt *attempt,
                         struct mr_hand_outcome *outcome, bool is_search) {
    bool is_map = attempt->phase == MR_PHASE_MAP;
    bool had_half = is_short(tasks, attempt);
    (is_map ? tasks->map_is_short : tasks->reduce_is_short)[attempt->task] = true;
    if (had_half && !is_search && !outcome->is_fatal) {
        outcome->is_fatal = true;
        mr_error_add(&outcome->err, "; with half the buffers, too");
    }
}

bool mr_fleet_tasks_judge(struct mr_fleet_tasks *tasks, const struct mr_core_attempt *attempt,
                          struct mr_hand_outcome *outcome) {
    if (outcome->is_broken) {
        return tasks->broken++ < BROKEN_MAX;
    }
    bool is_search = judge_place(tasks, attempt, outcome) && is_within_search(tasks, attempt);
    if (outcome->is_short) {
        judge_memory(tasks, attempt, outcome, is_search);
    }
    return is_search;
}

/* ---- attempts that wait -----------------------------------------------------------------------*/

struct mr_fleet_waiting {
    struct mr_core_attempt attempt;
    bool is_unwanted;
};

bool mr_fleet_tasks_same(const struct mr_core_attempt *a, const struct mr_core_attempt *b) {
    return a->job == b->job && a->round == b->round && a->phase == b->phase && a->task == b->task &&
           a->attempt == b->attempt;
}

int mr_fleet_tasks_reserve(struct mr_fleet_queue *queue, size_t slots, struct mr_error *err) {
    queue->items = calloc(slots, sizeof *queue->items);
    queue->capacity = slots;
    return queue->items ? MR_OK : mr_error_nomem(err, "starting task processes");
}

void mr_fleet_tasks_push(struct mr_fleet_queue *queue, const struct mr_core_attempt *attempt) {
    if (queue->end == queue->capacity) {
        queue->end -= queue->begin;
        memmove(queue->items, queue->items + queue->begin, queue->end * sizeof *queue->items);
        queue->begin = 0;
    }
    MR_CHECK(queue->end < queue->capacity);
    queue->items[queue->end++] = (struct mr_fleet_waiting){*attempt, false};
}

bool mr_fleet_tasks_pop(struct mr_fleet_queue *queue, struct mr_core_attempt *attempt,
                        bool *is_wanted) {
    if (queue->begin == queue->end) {
        return false;
    }
    const struct mr_fleet_waiting *waiting = &queue->items[queue->begin++];
    *attempt = waiting->attempt;
    *is_wanted = !waiting->is_unwanted;
    return true;
}

void mr_fleet_tasks_unwant(struct mr_fleet_queue *queue, const struct mr_core_attempt *attempt) {
    for (size_t i = queue->begin; i < queue->end; i++) {
        queue->items[i].is_unwanted |= mr_fleet_tasks_same(&queue->items[i].attempt, attempt);
    }
}

/* ---- failures ---------------------------------------------------------------------------------*/

struct mr_fleet_failure {
    struct mr_fleet_failure *next;
    struct mr_core_attempt attempt;
    struct mr_error err;
};

void mr_fleet_tasks_note(struct mr_fleet_failures *failures, const struct mr_core_attempt *attempt,
                         const struct mr_error *err) {
    struct mr_fleet_failure *failure = malloc(sizeof *failure);
    if (failure) { /* without: a job that fails by it says less */
        *failure = (struct mr_fleet_failure){failures->first, *attempt, *err};
        failures->first = failure;
    }
}

const struct mr_error *mr_fleet_tasks_blame(const struct mr_fleet_failures *failures,
                                            const struct mr_core_attempt *attempt) {
    const struct mr_fleet_failure *failure = failures->first;
    while (failure && !mr_fleet_tasks_same(&failure->attempt, attempt)) {
        failure = failure->next;
    }
    return failure ? &failure->err : NULL;
}

size_t mr_fleet_tasks_count(const struct mr_fleet_failures *failures,
                            const struct mr_core_attempt *attempt) {
    size_t count = 0;
    for (const struct mr_fleet_failure *failure = failures->first; failure;
         failure = failure->next) {
        struct mr_core_attempt same = failure->attempt;
        same.attempt = attempt->attempt;
        count += mr_fleet_tasks_same(&same, attempt);
    }
    return count;
}

void mr_fleet_tasks_forget(struct mr_fleet_failures *failures, struct mr_fleet_queue *queue) {
    while (failures->first) {
        struct mr_fleet_failure *failure = failures->first;
        failures->first = failure->next;
        free(failure);
    }
    free(queue->items);
    *queue = (struct mr_fleet_queue){0};
}
