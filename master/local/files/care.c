/* care: looks for the records that a map task's code does not get over, and sets them aside. */
#include "master/local/files/care.h"

#include "lib/base/error.h"
#include "master/local/files/numbers.h"
#include <stdlib.h>

#define NOWHERE UINT64_MAX
#define TIMES_SURE 2 /* failures at one record that make it a bad one */
#define TRIES_EACH 3 /* attempts that find one: its block, the record, and again */
#define NUMBERS 4    /* block, last, times, uncounted; the records' offsets behind them */

struct mr_care_task {
    uint64_t block;     /* to be mapped one record at a time; NOWHERE: none */
    uint64_t last;      /* where it failed last */
    uint64_t times;     /* in a row */
    uint64_t uncounted; /* attempts, in the search for such records */
    uint64_t *skips;
    size_t skip_count;
};

static int take_up(struct mr_care *care, const struct mr_fact *fact, struct mr_error *err) {
    uint64_t numbers[NUMBERS];
    struct mr_bytes rest;
    if (fact->key >= care->count || !mr_numbers_get(fact, numbers, NUMBERS, &rest)) {
        return mr_error_set(err, MR_ERR_INPUT, "what the journal knows of bad records is damaged");
    }
    struct mr_care_task *task = &care->tasks[fact->key];
    struct mr_fact offsets = {.bytes = (char *)(uintptr_t)rest.data, .len = rest.len};
    *task =
        (struct mr_care_task){numbers[0], numbers[1], numbers[2], numbers[3], NULL, rest.len / 8};
    task->skips = calloc(task->skip_count + 1, sizeof *task->skips);
    if (!task->skips) {
        return mr_error_nomem(err, "going on with a run");
    }
    (void)mr_numbers_get(&offsets, task->skips, task->skip_count, &rest);
    care->skips += (uint32_t)task->skip_count;
    return MR_OK;
}

int mr_care_init(struct mr_care *care, const struct mr_ledger *ledger, uint32_t count,
                 uint32_t most, struct mr_error *err) {
    size_t known;
    const struct mr_fact *facts = mr_ledger_all(ledger, MR_LEDGER_CARE, &known);
    *care = (struct mr_care){.count = count, .most = most};
    care->tasks = calloc((size_t)count + 1, sizeof *care->tasks);
    if (!care->tasks) {
        return mr_error_nomem(err, "beginning a run");
    }
    for (uint32_t i = 0; i < count; i++) {
        care->tasks[i].block = care->tasks[i].last = NOWHERE;
    }
    for (size_t i = 0; i < known && !err->code; i++) {
        (void)!take_up(care, &facts[i], err);
    }
    return err->code;
}

void mr_care_clear(struct mr_care *care) {
    for (uint32_t i = 0; i < care->count; i++) {
        free(care->tasks[i].skips);
        care->tasks[i] = (struct mr_care_task){.block = NOWHERE, .last = NOWHERE};
    }
}

void mr_care_fini(struct mr_care *care) {
    for (uint32_t i = 0; care->tasks && i < care->count; i++) {
        free(care->tasks[i].skips);
    }
    free(care->tasks);
    *care = (struct mr_care){0};
}

void mr_care_order(const struct mr_care *care, struct mr_orders_task *order) {
    const struct mr_care_task *task = &care->tasks[order->task];
    order->care_block = task->block;
    order->skips = task->skips;
    order->skip_count = task->skip_count;
}

/* Enters a record among those to be set aside. */
static bool add_skip(struct mr_care_task *task, uint64_t offset) {
    uint64_t *skips = realloc(task->skips, (task->skip_count + 1) * sizeof *skips);
    if (!skips) {
        return false;
    }
    task->skips = skips;
    size_t at = task->skip_count++;
    for (; at > 0 && skips[at - 1] > offset; at--) {
        skips[at] = skips[at - 1];
    }
    skips[at] = offset;
    return true;
}

/* A record that failed twice is a bad one: it is set aside, or the job fails by it. */
static bool condemn(struct mr_care *care, struct mr_care_task *task,
                    struct mr_hand_outcome *outcome) {
    if (care->skips < care->most && add_skip(task, outcome->offset)) {
        care->skips++;
        task->last = NOWHERE;
        task->times = 0;
        return true;
    }
    outcome->is_fatal = true;
    if (care->most) {
        mr_error_add(&outcome->err, "; a record more than --skip-bad-records %u allows",
                     care->most);
    } else {
        mr_error_add(&outcome->err,
                     "; the second time at this record: --skip-bad-records N sets up "
                     "to N such records aside");
    }
    return false;
}

static int note(const struct mr_care_task *task, struct mr_ledger *ledger, uint32_t number,
                struct mr_error *err) {
    const uint64_t numbers[NUMBERS] = {task->block, task->last, task->times, task->uncounted};
    struct mr_buffer bytes = {0};
    if (!mr_numbers_put(&bytes, numbers, NUMBERS, err) &&
        !mr_numbers_put(&bytes, task->skips, task->skip_count, err)) {
        (void)!mr_ledger_note(ledger, MR_LEDGER_CARE, number, bytes.data, bytes.len, err);
    }
    mr_buffer_fini(&bytes);
    return err->code;
}

/* The search for bad records is bounded by what it takes to find one too many: code that fails here
 * and there fails for another reason. */
static bool is_within_search(const struct mr_care *care, struct mr_care_task *task) {
    return task->uncounted++ < TRIES_EACH * ((uint64_t)care->most + 1);
}

int mr_care_judge(struct mr_care *care, struct mr_ledger *ledger,
                  const struct mr_core_attempt *attempt, struct mr_hand_outcome *outcome,
                  bool *is_uncounted, struct mr_error *err) {
    bool skips = care->most > 0;
    *is_uncounted = false;
    if (!outcome->has_place || attempt->phase != MR_PHASE_MAP || outcome->is_fatal) {
        return MR_OK;
    }
    struct mr_care_task *task = &care->tasks[attempt->task];
    if (!outcome->is_exact) { /* the next attempt looks closer */
        *is_uncounted = skips && task->block != outcome->block;
        task->block = outcome->block;
    } else {
        task->times = task->last == outcome->offset ? task->times + 1 : 1;
        task->last = outcome->offset;
        *is_uncounted = task->times >= TIMES_SURE ? condemn(care, task, outcome) : skips;
    }
    *is_uncounted = *is_uncounted && is_within_search(care, task);
    return note(task, ledger, attempt->task, err);
}
