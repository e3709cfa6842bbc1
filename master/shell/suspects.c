/* suspects: records that the job's code fails on, and those of them that are set aside. */
#include "master/shell/suspects.h"

#include "lib/base/error.h"
#include "master/shell/notes.h"
#include <stdlib.h>

#define TIMES_SURE 2 /* failures at one record that make it a bad one */
#define TRIES_EACH 3 /* attempts that find one: its block, the record, and again */

void mr_suspects_fini(struct mr_suspects *suspects) {
    for (size_t i = 0; i < suspects->count; i++) {
        free(suspects->tasks[i].skips);
    }
    free(suspects->tasks);
    *suspects = (struct mr_suspects){0};
}

static struct mr_suspects_task *find(const struct mr_suspects *suspects, uint32_t task) {
    for (size_t i = 0; i < suspects->count; i++) {
        if (suspects->tasks[i].task == task) {
            return &suspects->tasks[i];
        }
    }
    return NULL;
}

const struct mr_suspects_task *mr_suspects_of(const struct mr_suspects *suspects, uint32_t task) {
    return find(suspects, task);
}

static struct mr_suspects_task *add(struct mr_suspects *suspects, uint32_t task,
                                    struct mr_error *err) {
    struct mr_suspects_task *found = find(suspects, task);
    if (found) {
        return found;
    }
    struct mr_suspects_task *tasks =
        realloc(suspects->tasks, (suspects->count + 1) * sizeof *tasks);
    if (!tasks) {
        mr_error_nomem(err, "looking for a bad record");
        return NULL;
    }
    suspects->tasks = tasks;
    tasks[suspects->count] = (struct mr_suspects_task){
        .task = task, .block = MR_SUSPECTS_NOWHERE, .last = MR_SUSPECTS_NOWHERE};
    return &tasks[suspects->count++];
}

/* Enters a record among those to be set aside. */
static int add_skip(struct mr_suspects *suspects, struct mr_suspects_task *task, uint64_t offset,
                    struct mr_error *err) {
    uint64_t *skips = realloc(task->skips, (task->skip_count + 1) * sizeof *skips);
    if (!skips) {
        return mr_error_nomem(err, "looking for a bad record");
    }
    task->skips = skips;
    size_t at = task->skip_count++;
    for (; at > 0 && skips[at - 1] > offset; at--) {
        skips[at] = skips[at - 1];
    }
    skips[at] = offset;
    suspects->skips++;
    return MR_OK;
}

int mr_suspects_load(struct mr_suspects *suspects, const struct mr_journal *journal, uint32_t job,
                     struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_notes_first(journal, job, MR_NOTES_SKIP, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        uint64_t offset;
        struct mr_suspects_task *task = add(suspects, (uint32_t)(facts[i].key >> 32), err);
        if (task && mr_notes_get_numbers(journal, job, MR_NOTES_SKIP, facts[i].key, &offset, 1)) {
            (void)!add_skip(suspects, task, offset, err);
        }
    }
    return err->code;
}

/* A record that failed twice is a bad one: it is set aside, or the job fails by it. */
static int condemn(struct mr_suspects *suspects, struct mr_suspects_task *task,
                   struct mr_journal *journal, const struct mr_wire_failed *failed, uint32_t most,
                   struct mr_suspects_verdict *verdict, struct mr_error *err) {
    if (suspects->skips >= most || task->skip_count == 4096) {
        verdict->is_fatal = true;
        verdict->words = most ? "; a record more than --skip-bad-records allows"
                              : "; the second time at this record: --skip-bad-records N sets up "
                                "to N such records aside";
        return MR_OK;
    }
    uint64_t key = mr_notes_key(task->task, (uint32_t)task->skip_count);
    if (add_skip(suspects, task, failed->offset, err)) {
        return err->code;
    }
    task->last = MR_SUSPECTS_NOWHERE;
    task->times = 0;
    verdict->is_uncounted = true;
    return mr_notes_put_numbers(journal, (uint32_t)failed->job, MR_NOTES_SKIP, key, &failed->offset,
                                1, err);
}

static int judge(struct mr_suspects *suspects, struct mr_journal *journal,
                 const struct mr_wire_failed *failed, uint32_t most,
                 struct mr_suspects_verdict *verdict, struct mr_error *err) {
    *verdict = (struct mr_suspects_verdict){0};
    if (!failed->has_place || failed->is_fatal) {
        return MR_OK;
    }
    struct mr_suspects_task *task = add(suspects, (uint32_t)failed->task, err);
    if (!task) {
        return err->code;
    }
    if (!failed->is_exact) { /* the next attempt looks closer */
        verdict->is_uncounted = most > 0 && task->block != failed->block;
        task->block = failed->block;
        return MR_OK;
    }
    task->times = task->last == failed->offset ? task->times + 1 : 1;
    task->last = failed->offset;
    if (task->times >= TIMES_SURE) {
        return condemn(suspects, task, journal, failed, most, verdict, err);
    }
    verdict->is_uncounted = most > 0;
    return MR_OK;
}

/* The search is bounded by what it takes to find one record too many: code that fails here and
 * there fails for another reason. */
int mr_suspects_judge(struct mr_suspects *suspects, struct mr_journal *journal,
                      const struct mr_wire_failed *failed, uint32_t most,
                      struct mr_suspects_verdict *verdict, struct mr_error *err) {
    (void)!judge(suspects, journal, failed, most, verdict, err);
    struct mr_suspects_task *task = find(suspects, (uint32_t)failed->task);
    verdict->is_uncounted =
        verdict->is_uncounted && task && task->uncounted++ < TRIES_EACH * ((uint64_t)most + 1);
    return err->code;
}
