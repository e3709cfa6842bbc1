/* care: records that the job's code fails on: the search for them, and those that are set aside. */
#include "master/shell/care.h"

#include "lib/base/error.h"
#include "master/shell/notes.h"
#include <stdlib.h>

#define TIMES_SURE 2 /* failures at one record that make it a bad one */

void mr_care_fini(struct mr_care *care) {
    for (size_t i = 0; i < care->count; i++) {
        free(care->tasks[i].skips);
    }
    free(care->tasks);
    *care = (struct mr_care){0};
}

static struct mr_care_task *find(const struct mr_care *care, uint32_t task) {
    for (size_t i = 0; i < care->count; i++) {
        if (care->tasks[i].task == task) {
            return &care->tasks[i];
        }
    }
    return NULL;
}

const struct mr_care_task *mr_care_of(const struct mr_care *care, uint32_t task) {
    return find(care, task);
}

static struct mr_care_task *add(struct mr_care *care, uint32_t task, struct mr_error *err) {
    struct mr_care_task *found = find(care, task);
    if (found) {
        return found;
    }
    struct mr_care_task *tasks = realloc(care->tasks, (care->count + 1) * sizeof *tasks);
    if (!tasks) {
        mr_error_nomem(err, "looking for a bad record");
        return NULL;
    }
    care->tasks = tasks;
    tasks[care->count] =
        (struct mr_care_task){.task = task, .block = MR_CARE_NOWHERE, .last = MR_CARE_NOWHERE};
    return &tasks[care->count++];
}

/* Enters a record among those to be set aside. */
static int add_skip(struct mr_care *care, struct mr_care_task *task, uint64_t offset,
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
    care->skips++;
    return MR_OK;
}

int mr_care_load(struct mr_care *care, const struct mr_journal *journal, uint32_t job,
                 struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_notes_first(journal, job, MR_NOTES_SKIP, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        uint64_t offset;
        struct mr_care_task *task = add(care, (uint32_t)(facts[i].key >> 32), err);
        if (task && mr_notes_get_numbers(journal, job, MR_NOTES_SKIP, facts[i].key, &offset, 1)) {
            (void)!add_skip(care, task, offset, err);
        }
    }
    return err->code;
}

/* A record that failed twice is a bad one: it is set aside, or the job fails by it. */
static int condemn(struct mr_care *care, struct mr_care_task *task, struct mr_journal *journal,
                   const struct mr_wire_failed *failed, uint32_t most,
                   struct mr_care_verdict *verdict, struct mr_error *err) {
    if (care->skips >= most || task->skip_count == 4096) {
        verdict->is_fatal = true;
        verdict->words = most ? "; a record more than --skip-bad-records allows"
                              : "; the second time at this record: --skip-bad-records N sets up "
                                "to N such records aside";
        return MR_OK;
    }
    uint64_t key = mr_notes_key(task->task, (uint32_t)task->skip_count);
    if (add_skip(care, task, failed->offset, err)) {
        return err->code;
    }
    task->last = MR_CARE_NOWHERE;
    task->times = 0;
    verdict->is_uncounted = true;
    return mr_notes_put_numbers(journal, (uint32_t)failed->job, MR_NOTES_SKIP, key, &failed->offset,
                                1, err);
}

int mr_care_judge(struct mr_care *care, struct mr_journal *journal,
                  const struct mr_wire_failed *failed, uint32_t most,
                  struct mr_care_verdict *verdict, struct mr_error *err) {
    *verdict = (struct mr_care_verdict){0};
    if (!failed->has_place || failed->is_fatal) {
        return MR_OK;
    }
    struct mr_care_task *task = add(care, (uint32_t)failed->task, err);
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
        return condemn(care, task, journal, failed, most, verdict, err);
    }
    verdict->is_uncounted = most > 0;
    return MR_OK;
}
